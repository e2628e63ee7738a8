"use strict";
(() => {
  const box = { w: 720, h: 400, left: 76, right: 16, top: 14, bottom: 52 };
  const ns = "http://www.w3.org/2000/svg";
  const numbers = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

  function ticks(low, high) {
    if (!(high > low)) high = low + (Math.abs(low) || 1);
    const rough = (high - low) / 5, unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((k) => unit * k).find((s) => s >= rough * (1 - 1e-9));
    const out = [];
    for (let i = Math.floor(low / step + 1e-9); i <= Math.ceil(high / step - 1e-9); i++) out.push(i * step);
    return out;
  }

  function scale(values, start, end) {
    const marks = ticks(Math.min(...values), Math.max(...values));
    const low = marks[0], span = marks[marks.length - 1] - low;
    return { marks, at: (v) => start + ((v - low) / span) * (end - start) };
  }

  function element(name, attributes, text) {
    const made = document.createElementNS(ns, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function axes(into, x, y, nameX, nameY) {
    into.replaceChildren();
    for (const mark of x.marks) {
      into.append(element("line", { x1: x.at(mark), x2: x.at(mark), y1: box.top, y2: box.h - box.bottom }));
      into.append(element("text", { x: x.at(mark), y: box.h - box.bottom + 18, "text-anchor": "middle" }, numbers.format(mark)));
    }
    for (const mark of y.marks) {
      into.append(element("line", { x1: box.left, x2: box.w - box.right, y1: y.at(mark), y2: y.at(mark) }));
      into.append(element("text", { x: box.left - 8, y: y.at(mark) + 4, "text-anchor": "end" }, numbers.format(mark)));
    }
    into.append(element("text", { class: "name", x: (box.left + box.w - box.right) / 2, y: box.h - 10, "text-anchor": "middle" }, nameX));
    const middle = (box.top + box.h - box.bottom) / 2;
    into.append(element("text", { class: "name", transform: `translate(14 ${middle}) rotate(-90)`, "text-anchor": "middle" }, nameY));
  }

  function cloud(figure) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    const svg = figure.querySelector("svg.cloud"), said = figure.querySelector(".said");
    const [pickX, pickY] = figure.querySelectorAll("select");
    const marks = [...svg.querySelectorAll("[data-i]")];
    const hidden = new Set();
    let shown = [], at = -1;

    function draw() {
      const i = Number(pickX.value), j = Number(pickY.value);
      const has = (m) => { const p = data.points[m.dataset.i]; return p.values[i] !== null && p.values[j] !== null && !hidden.has(p.name); };
      for (const mark of marks) mark.style.display = has(mark) ? "" : "none";
      const there = marks.filter(has), points = there.map((m) => data.points[m.dataset.i]);
      if (!points.length) { axes(svg.querySelector(".axes"), scale([0], box.left, box.w - box.right), scale([0], box.h - box.bottom, box.top), "", ""); shown = []; svg.querySelector(".front").setAttribute("d", ""); return; }
      const x = scale(points.map((p) => p.values[i]), box.left, box.w - box.right);
      const y = scale(points.map((p) => p.values[j]), box.h - box.bottom, box.top);
      axes(svg.querySelector(".axes"), x, y, data.objectives[i], data.objectives[j]);
      for (const mark of there) {
        const p = data.points[mark.dataset.i];
        mark.setAttribute("transform", `translate(${x.at(p.values[i])} ${y.at(p.values[j])})${p.front ? "" : " scale(.62)"}`);
      }
      shown = there.filter((m) => data.points[m.dataset.i].front).sort((a, b) => data.points[a.dataset.i].values[i] - data.points[b.dataset.i].values[i]);
      at = -1;
      let path = "", last = Infinity;  // the staircase of dse/reports/model.py
      for (const mark of [...shown].sort((a, b) => data.points[a.dataset.i].values[i] - data.points[b.dataset.i].values[i] || data.points[a.dataset.i].values[j] - data.points[b.dataset.i].values[j])) {
        const v = data.points[mark.dataset.i].values;
        if (v[j] >= last) continue;
        path += path ? `H${x.at(v[i])}V${y.at(v[j])}` : `M${x.at(v[i])} ${y.at(v[j])}`;
        last = v[j];
      }
      svg.querySelector(".front").setAttribute("d", path);
    }

    function pick(mark) {
      for (const other of svg.querySelectorAll(".picked")) other.classList.remove("picked");
      mark.classList.add("picked");
      said.textContent = data.points[mark.dataset.i].label;
    }

    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
      if (step === undefined || !shown.length) return;
      event.preventDefault();
      at = Math.min(Math.max(at < 0 && step === -1 ? shown.length - 1 : at + step, 0), shown.length - 1);
      pick(shown[at]);
    });
    svg.addEventListener("click", (event) => { const mark = event.target.closest("[data-i]"); if (mark) pick(mark); });
    svg.addEventListener("pointerover", (event) => { const mark = event.target.closest("[data-i]"); if (mark) pick(mark); });
    pickX.addEventListener("change", draw);
    pickY.addEventListener("change", draw);
    for (const button of figure.querySelectorAll(".legend button")) {
      button.addEventListener("click", () => {
        const off = button.getAttribute("aria-pressed") === "true";
        button.setAttribute("aria-pressed", String(!off));
        if (off) hidden.add(button.dataset.name); else hidden.delete(button.dataset.name);
        draw();
      });
    }
    draw();
  }

  function plot(figure) {
    for (const button of figure.querySelectorAll(".legend button")) {
      button.addEventListener("click", () => {
        const off = button.getAttribute("aria-pressed") === "true";
        button.setAttribute("aria-pressed", String(!off));
        for (const part of figure.querySelectorAll("[data-series]")) {
          if (part.dataset.series === button.dataset.name) part.style.display = off ? "none" : "";
        }
      });
    }
  }

  function hints() {
    for (const box of document.querySelectorAll(".wide")) {
      const over = box.scrollWidth > box.clientWidth + 1, shown = box.previousElementSibling;
      const there = shown !== null && shown.classList.contains("hint");
      if (over && !there) {
        const hint = document.createElement("p");
        hint.className = "hint";
        hint.textContent = "wider than the screen: scroll sideways \u2192";
        box.before(hint);
      } else if (!over && there) shown.remove();
    }
  }

  for (const figure of document.querySelectorAll("figure.cloud")) cloud(figure);
  for (const figure of document.querySelectorAll("figure.plot")) plot(figure);
  hints();
  window.addEventListener("resize", hints);
  for (const folded of document.querySelectorAll("details")) folded.addEventListener("toggle", hints);
  document.documentElement.dataset.ready = "yes";
})();
