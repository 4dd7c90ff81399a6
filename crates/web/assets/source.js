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

  const fetchJson = async (path, query) => {
    const text = new URLSearchParams(query || {}).toString();
    showOpen(1);
    try {
      const answer = await fetch("api/" + path + (text ? "?" + text : ""));
      if (!answer.ok) throw new Error((await answer.text()) || answer.statusText);
      return await answer.json();
    } finally {
      showOpen(-1);
    }
  };

  // Rectangles that meet a window; all of them are here.
  const inWindow = (rects, q) => rects.filter((r) => r.mm === q.mm && r.from_ns <= q.to && r.to_ns >= q.from
    && r.start < q.high && r.start + r.size > q.low);

  const fromServer = {
    isServer: true,
    overview: () => fetchJson("overview"),
    atlas: (query) => fetchJson("atlas", query),
    story: (query) => fetchJson("story", query),
    pages: (query) => fetchJson("pages", query),
    flame: (query) => fetchJson("flame", query),
  };

  const fromPage = () => {
    const data = JSON.parse(embedded.textContent);
    const none = async () => null;
    return {
      isServer: false,
      overview: async () => ({ ...data.overview, ready: true, progress: 1 }),
      atlas: async (query) => ({ rects: inWindow(data.atlas.rects, query), names: data.atlas.names, causes: data.atlas.causes,
        left_out: data.atlas.left_out }),
      story: none,
      pages: none,
      flame: async () => data.flame || null,
    };
  };

  VM.source = embedded ? fromPage() : fromServer;
})();
