// Loading, keys, theme, search.
"use strict";

(() => {
  const keys = [
    ["← →", "to the event before or after"], ["Home End", "to the start or end"], ["+ −", "zoom time about the cursor"],
    ["wheel", "zoom time; with Shift over the bands: addresses"], ["drag", "select a span above, move the bands below"],
    ["0", "show everything again"], ["m", "set a mark (two make a diff), Shift+M: none"], ["1 … 6", "the tabs of the panel"],
    ["/", "search names, kinds, addresses"], ["n N", "to the next or previous hit (Enter, Shift+Enter in the field)"], ["t", "light or dark"], ["?", "these keys"], ["Esc", "nothing selected"],
  ];

  const setTheme = (theme) => {
    document.documentElement.dataset.theme = theme;
    VM.forgetPalette();
    VM.set({ redraw: Symbol(theme) });
  };

  const memories = (overview) => {
    const host = VM.$("memory");
    const order = [...overview.memories].sort((a, b) => b.resident_max - a.resident_max).slice(0, 500);
    host.replaceChildren(...order.map((memory) => VM.el("option", { value: memory.mm },
      memory.pid + " " + (VM.programOf(memory) || "?") + " " + VM.bytes(memory.resident_max))));
    host.onchange = () => VM.chooseMemory(Number(host.value));
    const mine = order.find((memory) => memory.mm === VM.state.mm && VM.rects) || order[0];
    if (mine) host.value = mine.mm;
    return mine ? mine.mm : 0;
  };
  VM.chooseMemory = (mm) => {
    if (mm === VM.state.mm) return;
    VM.$("memory").value = mm;
    VM.set({ mm, selected: null, address: null, low: 0, high: 1 });
  };

  // The rectangles of the whole run, or as many as an answer holds; of a window that is looked at closely, more.
  let whole = null;
  let window_ = null;
  const take = (rects, names, causes, note) => {
    VM.rects = rects;
    VM.names = names;
    VM.causes = causes;
    VM.$("atlas-note").textContent = note;
  };
  const noteOf = (answer, count) => VM.count(count) + " bands"
    + (answer.left_out ? ", " + VM.count(answer.left_out) + " smaller ones appear as you zoom in" : "")
    + (answer.lost ? ", " + VM.count(answer.lost) + " smallest of the run left out" : "");

  const loadRects = async () => {
    const mm = VM.state.mm;
    const answer = await VM.source.atlas({ mm, from: 0, to: VM.duration, low: 0, high: 2 ** 48 });
    if (mm !== VM.state.mm) return;
    whole = answer;
    window_ = null;
    take(answer.rects, answer.names, answer.causes, noteOf(answer, answer.rects.length));
    VM.startAtlas(false);
    VM.drawLegend();
    // The same mapping stays selected when its band is drawn anew.
    const { selected, address, now } = VM.state;
    if (selected && address !== null) {
      const there = (rect) => rect.start <= address && address < rect.start + rect.size;
      const same = answer.rects.find((rect) => there(rect) && rect.from_ns <= now && now <= rect.to_ns) || answer.rects.find(there);
      VM.set({ selected: same || selected });
    }
    VM.set({ redraw: Symbol("rects") });
  };

  // When a view rests on a part of a run with more bands than were sent, the rest of that part is asked for.
  const loadWindow = async () => {
    if (!whole || !whole.left_out) return;
    const { from, to, low, high, mm } = VM.state;
    const inside = window_ && from >= window_.from && to <= window_.to && low >= window_.low && high <= window_.high;
    if (inside || (to - from > VM.duration * 0.8 && high - low > 0.8)) return;
    const wide = (to - from) / 2;
    const asked = { mm, from: Math.max(0, Math.floor(from - wide)), to: Math.min(VM.duration, Math.ceil(to + wide)), low: 0, high: 2 ** 48 };
    const answer = await VM.source.atlas(asked);
    if (mm !== VM.state.mm) return;
    window_ = { from: asked.from, to: asked.to, low: 0, high: 1 };
    const key = (rect) => rect.made + " " + rect.start;
    const known = new Set(whole.rects.map(key));
    const rects = whole.rects.concat(answer.rects.filter((rect) => !known.has(key(rect))));
    take(rects, answer.names, { ...whole.causes, ...answer.causes }, noteOf(answer, rects.length));
    VM.startAtlas(true);
    VM.set({ redraw: Symbol("window") });
  };

  const nowLine = () => {
    const { count, size } = VM.sumAt(VM.state.now);
    const isAll = !whole || !whole.left_out && !whole.lost;
    VM.$("now").replaceChildren("now ", VM.el("b", {}, VM.time(VM.state.now)), " · " + VM.count(count) + (isAll ? "" : " drawn")
      + " mappings, " + VM.bytes(size)
      + (VM.state.span ? " · selected " + VM.time(VM.state.span[0]) + " to " + VM.time(VM.state.span[1]) : ""));
  };

  // Moves the cursor, and the view where the cursor would be outside.
  VM.goTo = (time, more) => {
    const change = { now: time, ...more };
    const length = VM.state.to - VM.state.from;
    if (time < VM.state.from || time > VM.state.to) {
      change.from = Math.min(Math.max(0, time - length / 2), VM.duration - length);
      change.to = change.from + length;
    }
    VM.set(change);
  };

  // The rectangles that the search finds, by address and time.
  let hits = { of: null, query: "", list: [], at: -1 };
  const findHits = () => {
    const { query } = VM.state;
    if (hits.of !== VM.rects || hits.query !== query) {
      const list = query ? VM.rects.filter(VM.matches).sort((a, b) => a.start - b.start || a.from_ns - b.from_ns) : [];
      hits = { of: VM.rects, query, list, at: -1 };
    }
    return hits;
  };
  const showHits = () => {
    const { list, at } = findHits();
    VM.$("hits").textContent = !VM.state.query ? "" : !list.length ? "none" : (at < 0 ? "" : VM.count(at + 1) + " of ") + VM.count(list.length);
  };
  const stepHit = (direction) => {
    const found = findHits();
    if (!found.list.length) return;
    found.at = found.at < 0 ? (direction > 0 ? 0 : found.list.length - 1) : (found.at + direction + found.list.length) % found.list.length;
    const rect = found.list[found.at];
    const lives = rect.from_ns <= VM.state.now && VM.state.now < rect.to_ns;
    const more = { selected: rect, address: rect.start, tab: "story" };
    const [low, high] = [VM.heightOf(rect.start), VM.heightOf(rect.start + rect.size)];
    if (high < VM.state.low || low > VM.state.high) {
      const tall = VM.state.high - VM.state.low;
      more.low = Math.min(Math.max(0, (low + high) / 2 - tall / 2), 1 - tall);
      more.high = more.low + tall;
    }
    VM.goTo(lives ? VM.state.now : rect.from_ns, more);
    showHits();
  };

  // The moments at which the shown map changed.
  const moments = () => {
    if (moments.of !== VM.rects) {
      const all = new Set([0, VM.duration]);
      for (const rect of VM.rects) { all.add(rect.from_ns); all.add(rect.to_ns); }
      moments.list = Float64Array.from(all).sort();
      moments.of = VM.rects;
    }
    return moments.list;
  };
  const step = (direction) => {
    const list = moments();
    const now = VM.state.now;
    const next = direction > 0 ? list.find((time) => time > now) : list.findLast((time) => time < now);
    if (next !== undefined) VM.goTo(next);
  };

  const press = (event) => {
    if (event.target.matches("input") && event.key === "Enter") {
      event.preventDefault();
      return stepHit(event.shiftKey ? -1 : 1);
    }
    if (event.target.matches("input, select, textarea") && event.key !== "Escape") return;
    if (VM.$("help").open) return;
    if (!VM.rects) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: () => VM.set({ now: 0 }), End: () => VM.set({ now: VM.duration }),
      "+": () => VM.zoomTime(0.7, VM.state.now), "=": () => VM.zoomTime(0.7, VM.state.now), "-": () => VM.zoomTime(1 / 0.7, VM.state.now),
      0: () => VM.set({ from: 0, to: VM.duration, low: 0, high: 1, span: null }),
      m: () => VM.set({ marks: [...VM.state.marks, VM.state.now].slice(-2) }), M: () => VM.set({ marks: [] }),
      n: () => stepHit(1), N: () => stepHit(-1),
      "/": () => VM.$("search").focus(), t: () => VM.$("theme").click(), "?": () => VM.$("help").showModal(),
      Escape: () => { VM.$("search").blur(); VM.set({ selected: null, address: null, span: null }); },
    };
    const act = acts[event.key] || (/^[1-6]$/.test(event.key) ? () => VM.set({ tab: VM.tabs[event.key - 1] }) : null);
    if (!act) return;
    event.preventDefault();
    act();
  };

  // Waits for something that can be shown: all of it, or a draft; of a recording without states the part that is read.
  const firstOverview = async () => {
    for (;;) {
      const overview = await VM.source.overview({ draft: 0 });
      if (overview.report || overview.draft) return overview;
      VM.showProgress(overview.progress);
      if (overview.duration_ns) {
        VM.duration = overview.duration_ns;
        Object.assign(VM.state, { from: 0, to: VM.duration, now: VM.duration });
        VM.startTimeline(overview);
        VM.pictureIs("so far");
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  };

  // While a draft is shown: better drafts as they come, and in the end all of it.
  const complete = async (draft) => {
    for (;;) {
      await new Promise((done) => setTimeout(done, 100));
      const overview = await VM.source.overview({ draft: draft.looks });
      if (overview.report) return show(overview);
      draft = overview.draft || draft;
      if (overview.draft) await show(overview);
      VM.showProgress(overview.progress, draft);
    }
  };

  const asOverview = (draft) => ({ ...draft, threads: [], density: { bucket_ns: draft.bucket_ns, events: draft.per_bucket, calls: [], faults: [] } });

  // Shows an overview, or the draft in it; what was chosen stays.
  const show = async (overview) => {
    const isFirst = !VM.overview;
    VM.overview = overview.report ? overview : asOverview(overview.draft);
    const was = VM.duration;
    VM.duration = Math.max(1, VM.overview.duration_ns);
    if (isFirst) Object.assign(VM.state, { from: 0, to: VM.duration, now: VM.overview.peak_ns || 0 });
    else if (VM.state.to === was) VM.state.to = VM.duration;
    if (overview.report) VM.showCards(overview); else VM.showDraftCards(overview.draft);
    VM.state.mm = memories(VM.overview);
    VM.startTimeline(VM.overview);
    await loadRects();
    nowLine();
    if (!isFirst) VM.showPanel();
  };

  const failed = (error) => { VM.$("subtitle").textContent = "Not to be shown: " + error.message; };

  const start = async () => {
    setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    VM.$("theme").onclick = () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    VM.$("help").append(VM.el("h2", {}, "Keys"), VM.el("table", {}, keys.map(([key, text]) => VM.el("tr", {},
      VM.el("td", {}, VM.el("kbd", {}, key)), VM.el("td", {}, text)))),
    VM.el("form", { method: "dialog" }, VM.el("button", {}, "Close")));
    VM.$("help-open").onclick = () => VM.$("help").showModal();
    VM.$("search").oninput = (event) => VM.set({ query: event.target.value.trim().toLowerCase() });
    VM.on(["query"], showHits);
    document.addEventListener("keydown", press);
    const overview = await firstOverview();
    await show(overview);
    VM.startPanel();
    VM.on(["mm"], () => loadRects().catch(failed));
    VM.on(["from", "to", "low", "high"], VM.whenAtRest(200, () => loadWindow().catch(failed)));
    VM.on(["now", "span", "redraw"], nowLine);
    if (!overview.report) {
      VM.showProgress(overview.progress, overview.draft);
      await complete(overview.draft);
    }
    VM.hideProgress();
    document.documentElement.dataset.ready = "yes";
  };
  start().catch(failed);
})();
