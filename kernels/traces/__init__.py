"""Page accesses: parsing, collapsing and filtering, generating them."""
