// Where data comes from: the server, by range, or what is embedded in the page.
"use strict";

(() => {
  const embedded = document.getElementById("data");

  // While a question is open the pointer says so.
  let open = 0;
  const showOpen = (change) => {
    open += change;
    document.documentElement.classList.toggle("asking", open > 0);
  };

  const ask = async (path, query) => {
    const text = new URLSearchParams(query || {}).toString();
    const answer = await fetch("api/" + path + (text ? "?" + text : ""));
    if (!answer.ok) throw new Error((await answer.text()) || answer.statusText);
    return answer.json();
  };
  const fetchJson = async (path, query) => {
    showOpen(1);
    try {
      return await ask(path, query);
    } finally {
      showOpen(-1);
    }
  };

  // Rectangles that meet a window; all of them are here.
  const inWindow = (rects, q) => rects.filter((r) => r.mm === q.mm && r.from_ns <= q.to && r.to_ns >= q.from
    && r.start < q.high && r.start + r.size > q.low);

  const fromServer = {
    isServer: true,
    overview: (query) => ask("overview", query),
    atlas: (query) => fetchJson("atlas", query),
    map: (query) => fetchJson("map", query),
    story: (query) => fetchJson("story", query),
    pages: (query) => fetchJson("pages", query),
    flame: (query) => fetchJson("flame", query),
  };

  // The same graph from its other end: each frame's own bytes, the innermost first.
  const reversed = (root) => {
    const top = { name: root.name, value: root.value, children: new Map() };
    const walk = (node, path) => {
      const own = node.value - node.children.reduce((sum, child) => sum + child.value, 0);
      if (own > 0 && path.length) {
        let at = top;
        for (let i = path.length - 1; i >= 0; i--) {
          if (!at.children.has(path[i])) at.children.set(path[i], { name: path[i], value: 0, children: new Map() });
          at = at.children.get(path[i]);
          at.value += own;
        }
      }
      for (const child of node.children) walk(child, [...path, child.name]);
    };
    walk(root, []);
    const plain = (node) => ({ ...node, children: [...node.children.values()].map(plain) });
    return plain(top);
  };

  const fromPage = () => {
    const data = JSON.parse(embedded.textContent);
    const none = async () => null;
    return {
      isServer: false,
      overview: async () => ({ ...data.overview, ready: true, progress: 1 }),
      atlas: async (query) => ({ rects: inWindow(data.atlas.rects, query), names: data.atlas.names, causes: data.atlas.causes,
        left_out: 0, lost: data.atlas.left_out }),
      map: none,
      story: none,
      // The pages of the moment that the page keeps them of.
      pages: async (query) => data.still && data.still.mm === query.mm
        && data.still.pages.find((pages) => pages.start === query.start) || null,
      flame: async (query) => {
        const kept = data.still && data.still.mm === query.mm && data.still.flames[query.measure];
        if (!kept) return { root: null, note: "A page from disk keeps this graph of the peak, for the largest memory only: vmatlas view without --html has all." };
        return { note: kept.note, at_ns: data.still.at_ns, root: query.reversed && kept.root ? reversed(kept.root) : kept.root };
      },
    };
  };

  VM.source = embedded ? fromPage() : fromServer;
})();
