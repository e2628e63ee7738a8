"""The life of a page, the same for every design, and the steps in which designs differ."""
