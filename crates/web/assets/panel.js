// The side panel: the map now, the story of the selection, where memory came from, two marks compared, findings.
"use strict";

(() => {
  const tabs = [
    ["map", "Map"], ["story", "Story"], ["flame", "Flame"], ["diff", "Diff"], ["findings", "Findings"], ["run", "Run"],
  ];
  const views = {};
  // Lines of the map at most: more would not be read, and would make scrubbing slow.
  const ROWS = 500;
  let turn = 0;

  // For each stretch of time the rectangles that live in it: a moment then asks few of them.
  const STRETCHES = 512;
  let stretches = { of: null, lists: [] };
  const stretchOf = (time) => Math.min(STRETCHES - 1, Math.max(0, Math.floor(time / VM.duration * STRETCHES)));
  const living = (time) => {
    if (stretches.of !== VM.rects) {
      const lists = Array.from({ length: STRETCHES }, () => []);
      const byAddress = [...VM.rects].sort((a, b) => b.start - a.start);
      for (const rect of byAddress) {
        for (let i = stretchOf(rect.from_ns); i <= stretchOf(rect.to_ns); i++) lists[i].push(rect);
      }
      stretches = { of: VM.rects, lists };
    }
    return stretches.lists[stretchOf(time)];
  };

  // The rectangles that live at a time, highest address first.
  VM.aliveAt = (time) => living(time)
    .filter((r) => r.from_ns <= time && (time < r.to_ns || r.to_ns === VM.duration));

  const nameCell = (rect) => VM.el("td", { class: "name", title: VM.nameOf(rect) },
    VM.shortName(rect) || VM.kind(rect.kind)[0]);

  views.map = () => {
    const time = VM.state.now;
    const alive = VM.aliveAt(time).filter((rect) => !VM.state.hidden.has(rect.kind) && VM.matches(rect));
    const rows = [];
    let above = null;
    let size = 0;
    let resident = 0;
    for (const rect of alive.slice(0, ROWS)) {
      const now = VM.residentAt(rect, time);
      size += rect.size;
      resident += now;
      const end = rect.start + rect.size;
      if (above !== null && above > end) {
        rows.push(VM.el("tr", { class: "hole" }, VM.el("td", { colspan: 6 }, "hole of " + VM.bytes(above - end))));
      }
      above = rect.start;
      const chosen = VM.state.selected === rect ? " chosen" : "";
      const choose = () => VM.select(rect, rect.start);
      rows.push(VM.el("tr", { class: "link" + chosen, tabindex: 0, onclick: choose,
        onkeydown: (event) => { if (event.key === "Enter") choose(); } },
      VM.el("td", {}, VM.swatch(rect.kind)), VM.el("td", { class: "mono" }, rect.start.toString(16)),
      VM.el("td", {}, VM.bytes(rect.size)), VM.el("td", {}, now ? VM.bytes(now) : "–"),
      VM.el("td", { class: "mono" }, rect.rights), nameCell(rect)));
    }
    const more = alive.length > ROWS ? VM.el("p", {}, VM.count(alive.length - ROWS) + " more: narrow the search") : null;
    return [VM.el("p", {}, alive.length + " mappings at ", VM.el("b", {}, VM.time(time)), ", " + VM.bytes(size)
      + ", resident " + VM.bytes(resident)),
    VM.el("table", {}, VM.el("thead", {}, VM.el("tr", {}, ...["", "start", "size", "resident", "", "name"]
      .map((text, i) => VM.el("th", { class: i === 5 ? "name" : null }, text)))), VM.el("tbody", {}, rows)), more];
  };

  const cause = (rect, no) => (VM.causes && VM.causes[no]) || "event " + VM.count(no);

  // What happened at the selected address, from what is on this page alone.
  const lives = (address) => VM.rects.filter((r) => r.start <= address && address < r.start + r.size)
    .sort((a, b) => a.from_ns - b.from_ns);

  const entry = (time, title, ...more) => VM.el("li", { class: time <= VM.state.now ? "" : "later" },
    VM.el("time", {}, VM.time(time)), " ", VM.el("b", {}, title), ...more.map((text) => VM.el("div", { class: "mono" }, text)));

  views.story = async () => {
    const rect = VM.state.selected;
    const address = VM.state.address;
    if (!rect) return [VM.el("p", {}, "Click a band, or a line of the map, for its story.")];
    const [name, letter] = VM.kind(rect.kind);
    const facts = [["address", VM.hex(address)], ["kind", letter + " " + name],
      ["range", VM.hex(rect.start) + "-" + VM.hex(rect.start + rect.size)], ["size", VM.bytes(rect.size)],
      ["rights", rect.rights], ["offset", VM.hex(rect.offset)], ["name", VM.nameOf(rect) || "none"],
      ["resident", VM.bytes(VM.residentAt(rect, VM.state.now)) + " as of the last page checkpoint"]];
    const items = [];
    const all = lives(address);
    all.forEach((life, i) => {
      items.push(entry(life.from_ns, i && all[i - 1].to_ns === life.from_ns ? "became" : "mapped", cause(life, life.made),
        life.rights + " " + VM.bytes(life.size) + " " + VM.nameOf(life)));
      for (const [at, bytes] of life.resident.slice(0, 12)) items.push(entry(at, "resident " + VM.bytes(bytes)));
      const next = all[i + 1];
      if (life.ended !== null && (!next || next.from_ns > life.to_ns)) items.push(entry(life.to_ns, "ended", cause(life, life.ended)));
    });
    const told = await VM.source.story({ mm: VM.state.mm, address, at: Math.round(VM.state.now) });
    const parts = [VM.el("dl", {}, facts.flatMap(([key, value]) => [VM.el("dt", {}, key), VM.el("dd", { class: "mono" }, value)]))];
    if (told && told.lines) parts.push(VM.el("h2", {}, "Biography"), VM.el("ol", { class: "story" }, told.lines.map((line) =>
      VM.el("li", {}, VM.el("time", {}, VM.time(line.time_ns)), " ", VM.el("b", {}, line.what),
        (line.detail || []).map((text) => VM.el("div", { class: "mono" }, text))))));
    if (told && told.why) parts.push(VM.el("h2", {}, "What is here"), VM.el("p", {}, told.why));
    parts.push(VM.el("h2", {}, "This address over time"), VM.el("ol", { class: "story" }, items));
    parts.push(await pages(rect));
    return parts;
  };

  // The pages of a mapping as a picture, where the server can be asked.
  const pages = async (rect) => {
    const answer = await VM.source.pages({ mm: VM.state.mm, at: Math.round(VM.state.now), start: rect.start, size: rect.size });
    if (!answer || !answer.cells) return null;
    const colour = VM.kind(rect.kind)[2];
    return [VM.el("h2", {}, "Pages (" + VM.bytes(answer.cell_bytes) + " a cell)"), VM.el("div", { class: "pages" },
      answer.cells.map((cell) => VM.el("i", { title: cell[1], style: cell[0] === "." ? {} : { background: colour } },
        cell[0] === "." ? "" : cell[0])))];
  };

  let measure = "resident";
  let reversed = false;
  views.flame = async () => {
    const span = VM.state.span || [0, VM.duration];
    const query = { from: Math.round(span[0]), to: Math.round(span[1]), measure, reversed };
    const answer = await VM.source.flame(query);
    const choose = VM.el("select", { "aria-label": "Measure", onchange: (event) => { measure = event.target.value; show(); } },
      [["resident", "made resident"], ["mapped", "mapped"], ["dirty", "dirtied"], ["churn", "mapped and unmapped"]].map(([value, text]) =>
        VM.el("option", { value, selected: value === measure ? "" : null }, text)));
    const turn = VM.el("button", { type: "button", onclick: () => { reversed = !reversed; show(); } },
      reversed ? "Callers first" : "Callees first");
    const head = VM.el("p", {}, choose, " ", turn, " ", VM.state.span ? VM.time(span[0]) + " to " + VM.time(span[1]) : "whole run");
    if (!answer || !answer.root || !answer.root.value) return [head, VM.el("p", {}, (answer && answer.note)
      || "This recording holds no call chains for that.")];
    return [head, VM.flame(answer.root), answer.note ? VM.el("p", {}, answer.note) : null];
  };

  views.diff = () => {
    const [a, b] = VM.state.marks;
    if (b === undefined) return [VM.el("p", {}, "Set two marks: move the cursor and press ", VM.el("kbd", {}, "m"), " twice."),
      VM.el("p", {}, VM.state.marks.length + " of 2 set.")];
    const sums = (time) => {
      const byKey = new Map();
      for (const rect of VM.aliveAt(time)) {
        const key = rect.kind + "\t" + VM.nameOf(rect);
        const sum = byKey.get(key) || { kind: rect.kind, name: VM.nameOf(rect), size: 0, resident: 0, count: 0 };
        sum.size += rect.size;
        sum.resident += VM.residentAt(rect, time);
        sum.count++;
        byKey.set(key, sum);
      }
      return byKey;
    };
    const [before, after] = [sums(Math.min(a, b)), sums(Math.max(a, b))];
    const none = { size: 0, resident: 0, count: 0 };
    const changes = [...new Set([...before.keys(), ...after.keys()])].map((key) => {
      const [was, is] = [before.get(key) || none, after.get(key) || none];
      return { of: after.get(key) || before.get(key), size: is.size - was.size, resident: is.resident - was.resident,
        count: is.count - was.count };
    }).filter((change) => change.size || change.resident || change.count)
      .sort((p, q) => Math.abs(q.resident) - Math.abs(p.resident) || Math.abs(q.size) - Math.abs(p.size));
    const signed = (n, text) => n ? (n > 0 ? "+" : "−") + text(Math.abs(n)) : "";
    return [VM.el("p", {}, "From ", VM.el("b", {}, VM.time(Math.min(a, b))), " to ", VM.el("b", {}, VM.time(Math.max(a, b))),
      ": " + changes.length + " kinds and names changed"),
    VM.el("table", {}, VM.el("tr", {}, ["", "resident", "size", "mappings", "name"].map((text) => VM.el("th", {
      class: text === "name" ? "name" : null }, text))), changes.slice(0, 500).map((change) => VM.el("tr", {},
      VM.el("td", {}, VM.swatch(change.of.kind)), VM.el("td", {}, signed(change.resident, VM.bytes)),
      VM.el("td", {}, signed(change.size, VM.bytes)), VM.el("td", {}, signed(change.count, VM.count)),
      VM.el("td", { class: "name", title: change.of.name }, change.of.name.split("/").pop() || VM.kind(change.of.kind)[0]))))];
  };

  views.findings = () => {
    const findings = VM.overview.report.findings || [];
    if (!findings.length) return [VM.el("p", {}, "Nothing stands out.")];
    return findings.map((finding) => VM.el("div", { class: "finding" }, VM.el("b", {}, finding.title || finding.kind.replaceAll("_", " ")),
      VM.el("small", {}, finding.evidence), finding.advice));
  };

  views.run = () => {
    const report = VM.overview.report;
    const parts = [VM.el("h2", {}, "Processes"), VM.el("table", {}, VM.el("tr", {}, ["pid", "calls", "faults", "peak", "program"]
      .map((text) => VM.el("th", { class: text === "program" ? "name" : null }, text))),
    report.processes.slice(0, 300).map((process) => VM.el("tr", {}, VM.el("td", {}, String(process.pid)),
      VM.el("td", {}, VM.count(process.calls)), VM.el("td", {}, VM.count(process.faults)),
      VM.el("td", {}, process.peak_resident === null ? "–" : VM.bytes(process.peak_resident)),
      VM.el("td", { class: "name", title: process.program }, process.program))))];
    parts.push(VM.el("h2", {}, "Largest growths"), VM.el("table", {}, report.growths.slice(0, 20).map((growth) => VM.el("tr", {
      class: "link", onclick: () => VM.set({ now: growth.time_ns }) }, VM.el("td", {}, VM.time(growth.time_ns)),
    VM.el("td", {}, VM.bytes(growth.bytes)), VM.el("td", { class: "name", title: growth.call }, growth.call)))));
    parts.push(VM.el("h2", {}, "Notes"), report.notes.map((note) => VM.el("p", {}, note.text)));
    return parts;
  };

  const show = async () => {
    const mine = ++turn;
    const made = views[VM.state.tab]();
    const parts = made instanceof Promise ? await made.catch((error) => [VM.el("p", {}, "Not to be had: " + error.message)]) : made;
    if (mine !== turn) return;
    const panel = VM.$("panel");
    const at = panel.dataset.tab === VM.state.tab ? panel.scrollTop : 0;
    panel.dataset.tab = VM.state.tab;
    panel.replaceChildren(...parts.flat(3).filter((part) => part !== null && part !== undefined));
    panel.scrollTop = at;
  };
  VM.showPanel = () => { if (VM.overview) show(); };

  const showTabs = () => VM.$("tabs").replaceChildren(...tabs.map(([id, text], i) => VM.el("button", { type: "button", role: "tab",
    id: "tab-" + id, "aria-selected": String(VM.state.tab === id), title: "Key " + (i + 1), onclick: () => VM.set({ tab: id }) }, text)));

  VM.tabs = tabs.map(([id]) => id);
  VM.startPanel = () => {
    VM.on(["tab"], showTabs);
    VM.on(["tab", "selected", "address", "redraw"], VM.showPanel);
    // While the cursor moves the map follows ten times a second; the pictures follow every frame.
    let waiting = null;
    VM.on(["now", "hidden", "query"], () => {
      if (VM.state.tab !== "map" || waiting) return;
      waiting = setTimeout(() => { waiting = null; VM.showPanel(); }, 90);
    });
    VM.on(["marks"], () => { if (VM.state.tab === "diff") VM.showPanel(); });
    VM.on(["span"], () => { if (VM.state.tab === "flame") VM.showPanel(); });
    showTabs();
    show();
  };
})();
