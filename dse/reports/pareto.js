(function () {
  const S = DATA && DATA.pareto; if (!S) return;
  const $ = id => document.getElementById(id), NS = 'http://www.w3.org/2000/svg';
  const W = 720, H = 380, L = 66, R = 16, T = 16, B = 48, SHAPES = S.shapes;
  const el = (n, a, t) => { const e = document.createElementNS(NS, n); for (const k in a) e.setAttribute(k, a[k]); if (t !== undefined) e.textContent = t; return e; };
  const fmt = v => v === 0 ? '0' : Number(v.toPrecision(4)).toLocaleString('en', { maximumFractionDigits: 6 });
  const nice = s => { if (!(s > 0)) return 1; const p = 10 ** Math.floor(Math.log10(s)); for (const m of [1, 2, 5, 10]) if (p * m >= s * (1 - 1e-9)) return p * m; };
  function scale(vs, a, b) {
    let lo = Math.min(...vs), hi = Math.max(...vs); if (lo === hi) { hi = lo ? lo * 1.1 : 1; lo = 0; }
    const room = (hi - lo) * .04; lo -= room; hi += room;
    const f = v => a + (v - lo) / (hi - lo) * (b - a), st = nice((hi - lo) / 6);
    f.ticks = []; for (let i = Math.ceil(lo / st); i * st <= hi; i++) f.ticks.push(i * st); return f;
  }
  function mark(shape, x, y, s) {
    const d = {
      triangle: `M${x} ${y - s * 1.2}l${s * 1.1} ${s * 2}h${-s * 2.2}z`, square: `M${x - s * .9} ${y - s * .9}h${s * 1.8}v${s * 1.8}h${-s * 1.8}z`,
      diamond: `M${x} ${y - s * 1.3}l${s * 1.1} ${s * 1.3}l${-s * 1.1} ${s * 1.3}l${-s * 1.1} ${-s * 1.3}z`,
      cross: `M${x - s} ${y - s}l${2 * s} ${2 * s}m0 ${-2 * s}l${-2 * s} ${2 * s}`, plus: `M${x - s * 1.2} ${y}h${2.4 * s}M${x} ${y - s * 1.2}v${2.4 * s}`,
      bar: `M${x - s * .4} ${y - s * 1.2}h${s * .8}v${s * 2.4}h${-s * .8}z`
    }[shape];
    return d ? el('path', { class: 'm ' + shape, d }) : el('circle', { class: 'm ' + shape, cx: x, cy: y, r: s });
  }
  function draw() {
    const xi = +$('px').value, yi = +$('py').value, env = $('pe').value, svg = $('pareto');
    const pts = S.points.filter(p => (env === '' || p.e === +env) && p.v[xi] !== null && p.v[yi] !== null);
    while (svg.firstChild) svg.removeChild(svg.firstChild);
    if (!pts.length) { svg.append(el('text', { x: W / 2, y: H / 2, 'text-anchor': 'middle' }, 'no such trials')); return; }
    const x = scale(pts.map(p => p.v[xi]), L, W - R), y = scale(pts.map(p => p.v[yi]), H - B, T);
    for (const v of x.ticks) { svg.append(el('line', { class: 'g', x1: x(v), x2: x(v), y1: T, y2: H - B }), el('text', { class: 't', x: x(v), y: H - B + 16, 'text-anchor': 'middle' }, fmt(v))); }
    for (const v of y.ticks) { svg.append(el('line', { class: 'g', x1: L, x2: W - R, y1: y(v), y2: y(v) }), el('text', { class: 't', x: L - 6, y: y(v) + 4, 'text-anchor': 'end' }, fmt(v))); }
    svg.append(el('text', { class: 'a', x: (L + W - R) / 2, y: H - 10, 'text-anchor': 'middle' }, S.titles[xi]));
    svg.append(el('text', { class: 'a', transform: `translate(14 ${(T + H - B) / 2}) rotate(-90)`, 'text-anchor': 'middle' }, S.titles[yi]));
    const sorted = [...pts].sort((a, b) => a.v[xi] - b.v[xi] || a.v[yi] - b.v[yi]); let best = Infinity;
    const on = new Set(); for (const p of sorted) if (p.v[yi] < best) { best = p.v[yi]; on.add(p); }
    for (const p of [...pts].filter(p => !on.has(p))) { const g = el('g', { class: 's' + p.s % 8, opacity: .28 }); g.append(mark(SHAPES[p.s % SHAPES.length], x(p.v[xi]), y(p.v[yi]), 3)); svg.append(g); }
    const front = sorted.filter(p => on.has(p));
    let d = ''; front.forEach((p, i) => { d += i ? `H${x(p.v[xi])}V${y(p.v[yi])}` : `M${x(p.v[xi])} ${y(p.v[yi])}`; });
    svg.append(el('path', { d, fill: 'none', class: 'v' }));
    for (const p of front) {
      const t = `${p.d}, ${S.places[p.e]}: ${S.titles[xi]} ${fmt(p.v[xi])}, ${S.titles[yi]} ${fmt(p.v[yi])}`;
      const g = el('g', { class: 'p s' + p.s % 8, tabindex: 0, role: 'img', 'aria-label': t });
      g.append(el('title', {}, t), mark(SHAPES[p.s % SHAPES.length], x(p.v[xi]), y(p.v[yi]), 6)); svg.append(g);
    }
    $('pn').textContent = `${front.length} on the front of ${pts.length} trials shown`;
  }
  for (const id of ['px', 'py', 'pe']) $(id).addEventListener('change', draw);
  draw();
})();
