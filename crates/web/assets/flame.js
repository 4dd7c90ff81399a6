// A flame graph: a frame as wide as its bytes; a click zooms in, the search fades what does not match.
"use strict";

(() => {
  const ROW = 18;
  const colour = (name) => {
    let hash = 7;
    for (const c of name) hash = (hash * 31 + c.codePointAt(0)) >>> 0;
    return "hsl(" + (18 + hash % 34) + " 85% " + (62 + hash % 14) + "%)";
  };

  VM.flame = (root) => {
    const host = VM.el("div", { class: "flame" });
    const drawFrom = (top, path) => {
      host.replaceChildren();
      let deepest = 0;
      const place = (node, left, width, depth) => {
        if (width < 0.15) return;
        deepest = Math.max(deepest, depth);
        const query = VM.state.query;
        const miss = query && !node.name.toLowerCase().includes(query);
        host.append(VM.el("button", { type: "button", class: miss ? "miss" : null,
          title: node.name + "\n" + VM.bytes(node.value) + ", " + (100 * node.value / root.value).toFixed(1) + " %",
          style: { left: left + "%", width: width + "%", top: depth * ROW + "px", background: colour(node.name) },
          onclick: () => drawFrom(node, [...path, top]) }, width > 3 ? node.name : ""));
        let at = left;
        for (const child of node.children || []) {
          const part = width * child.value / node.value;
          place(child, at, part, depth + 1);
          at += part;
        }
      };
      const back = path[path.length - 1];
      if (back) {
        host.append(VM.el("button", { type: "button", style: { left: 0, width: "100%", top: 0, background: "var(--line)" },
          onclick: () => drawFrom(back, path.slice(0, -1)) }, "▲ back to " + back.name));
      }
      place(top, 0, 100, back ? 1 : 0);
      host.style.height = (deepest + 1) * ROW + 4 + "px";
    };
    drawFrom(root, []);
    return host;
  };
})();
