// The side panel: the map now, the story of the selection, where memory came from, two marks compared, findings.
"use strict";

(() => {
  const tabs = [
    ["map", "Map"], ["story", "Story"], ["flame", "Flame"], ["diff", "Diff"], ["findings", "Findings"], ["run", "Run"],
  ];
  const views = {};
  // Lines of the map at most: more would not be read; while the cursor moves as many as are seen at once.
  const ROWS = 500;
  const ROWS_MOVING = 40;
  let turn = 0;
  let isMoving = false;

  const nameCell = (rect) => VM.el("td", { class: "name", title: VM.nameOf(rect) },
    VM.shortName(rect) || VM.kind(rect.kind)[0]);

  // What a moment's map shows: its kinds as bars that show and hide them, its mappings as rows.
  const mapParts = (time, rows, note) => {
    const shown = rows.filter((row) => !VM.state.hidden.has(row.rect.kind) && VM.matches(row.rect));
    const sum = (list, of) => list.reduce((all, row) => all + of(row), 0);
    const most = isMoving ? ROWS_MOVING : ROWS;
    const lines = [];
    let above = null;
    for (const row of shown.slice(0, most)) {
      const end = row.rect.start + row.rect.size;
      if (above !== null && above > end) {
        lines.push(VM.el("tr", { class: "hole" }, VM.el("td", { colspan: 6 }, "hole of " + VM.bytes(above - end))));
      }
      above = row.rect.start;
      const choose = () => VM.select(row.rect, row.rect.start);
      const chosen = VM.state.selected && VM.state.selected.start === row.rect.start ? " chosen" : "";
      lines.push(VM.el("tr", { class: "link" + chosen, tabindex: 0, onclick: choose,
        onkeydown: (event) => { if (event.key === "Enter") choose(); } },
      VM.el("td", {}, VM.swatch(row.rect.kind)), VM.el("td", { class: "mono" }, row.rect.start.toString(16)),
      VM.el("td", {}, VM.bytes(row.rect.size)), VM.el("td", {}, row.resident ? VM.bytes(row.resident) : "–"),
      VM.el("td", { class: "mono" }, row.rect.rights), nameCell(row.rect)));
      for (const [kind, owner, start, size] of row.leaves || []) {
        lines.push(VM.el("tr", { class: "part" }, VM.el("td", {}, VM.swatch(kind)), VM.el("td", { class: "mono" }, start.replace("0x", "")),
          VM.el("td", {}, VM.bytes(size)), VM.el("td", {}), VM.el("td", {}),
          VM.el("td", { class: "name", title: owner }, VM.kind(kind)[0] + (owner ? " of " + owner.split("/").pop() : ""))));
      }
    }
    const more = shown.length > most && !isMoving ? VM.el("p", {}, VM.count(shown.length - most) + " more: narrow the search") : null;
    return [VM.el("p", {}, VM.count(shown.length) + " mappings at ", VM.el("b", {}, VM.time(time)), ", "
      + VM.bytes(sum(shown, (row) => row.rect.size)) + ", resident " + VM.bytes(sum(shown, (row) => row.resident)), note),
    VM.el("table", {}, VM.el("thead", {}, VM.el("tr", {}, ...["", "start", "size", "resident", "", "name"]
      .map((text, i) => VM.el("th", { class: i === 5 ? "name" : null }, text)))), VM.el("tbody", {}, lines)), more];
  };

  // At once from the bands that are here; when the cursor rests, from the server, which knows every mapping.
  views.map = () => {
    const time = VM.state.now;
    const rows = VM.aliveAt(time).map((rect) => ({ rect, resident: VM.residentAt(rect, time)[0] }));
    return mapParts(time, rows);
  };

  const exact = async () => {
    const time = VM.state.now;
    const mine = turn;
    const answer = await VM.source.map({ mm: VM.state.mm, at: Math.round(time) }).catch(() => null);
    if (!answer || mine !== turn || VM.state.tab !== "map") return;
    const drawn = new Map(VM.aliveAt(time).map((rect) => [rect.start, rect]));
    const rows = answer.mappings.map((line) => {
      const largest = line.leaves.reduce((a, b) => (b[3] > a[3] ? b : a), ["anonymous", "", "", 0]);
      const rect = drawn.get(line.start) || { ...line, kind: largest[0], name: -1, text: line.name, from_ns: time, to_ns: time,
        made: null, ended: null, resident: [] };
      return { rect, resident: line.rss || 0, leaves: line.leaves.length > 1 ? line.leaves : [] };
    }).reverse();
    put(mapParts(time, rows));
  };

  const cause = (rect, no) => (VM.causes && VM.causes[no]) || (no === null ? "" : "event " + VM.count(no));

  // What happened at the selected address, from what is on this page alone.
  const lives = (address) => VM.rects.filter((r) => r.start <= address && address < r.start + r.size)
    .sort((a, b) => a.from_ns - b.from_ns);

  const entry = (time, title, ...more) => VM.el("li", { class: time <= VM.state.now ? "" : "later" },
    VM.el("time", {}, VM.time(time)), " ", VM.el("b", {}, title), ...more.map((text) => VM.el("div", { class: "mono" }, text)));

  views.story = async () => {
    const rect = VM.state.selected;
    const address = VM.state.address;
    if (!rect) return [VM.el("p", { class: "empty" }, "Click a band, or a line of the map, for its story.")];
    const [name, letter] = VM.kind(rect.kind);
    const facts = [["address", VM.hex(address)], ["kind", letter + " " + name],
      ["range", VM.hex(rect.start) + "-" + VM.hex(rect.start + rect.size)], ["size", VM.bytes(rect.size)],
      ["rights", rect.rights], ["offset", VM.hex(rect.offset)], ["name", VM.nameOf(rect) || "none"],
      ["resident", VM.bytes(VM.residentAt(rect, VM.state.now)[0]) + " as of the last page checkpoint"]];
    const items = [];
    const all = lives(address);
    all.forEach((life, i) => {
      items.push(entry(life.from_ns, i && all[i - 1].to_ns === life.from_ns ? "became" : "mapped", cause(life, life.made),
        life.rights + " " + VM.bytes(life.size) + " " + VM.nameOf(life)));
      for (const [at, bytes] of life.resident.slice(0, 12)) items.push(entry(at, "resident " + VM.bytes(bytes)));
      const next = all[i + 1];
      if (life.ended !== null && (!next || next.from_ns > life.to_ns)) items.push(entry(life.to_ns, "ended", cause(life, life.ended)));
    });
    const told = await VM.source.story({ mm: VM.state.mm, pid: VM.pidOf(VM.state.mm), address, at: Math.round(VM.state.now) });
    const parts = [VM.el("dl", {}, facts.flatMap(([key, value]) => [VM.el("dt", {}, key), VM.el("dd", { class: "mono" }, value)]))];
    if (told && told.chain) parts.push(VM.el("h2", {}, "On this stack"), VM.el("p", {}, "Thread " + told.chain.tid + " at "
      + VM.time(told.chain.time_ns) + ", the last chain recorded of it: " + told.chain.what),
    VM.el("div", { class: "frames" }, told.chain.frames.map((text) => VM.el("div", { class: "mono" }, text))));
    if (told && told.lines) parts.push(VM.el("h2", {}, "Biography"), VM.el("ol", { class: "story" }, told.lines.map((line) =>
      VM.el("li", {}, VM.el("time", {}, VM.time(line.time_ns)), " ", VM.el("b", {}, line.what),
        (line.detail || []).map((text) => VM.el("div", { class: "mono" }, text))))));
    if (told && told.why) parts.push(VM.el("h2", {}, "What is here"), VM.el("p", {}, told.why), here(told));
    parts.push(VM.el("h2", {}, "This address over time"), VM.el("ol", { class: "story" }, items));
    parts.push(await pages(rect));
    return parts;
  };

  // What the files say of the address, and what an access would do.
  const here = (told) => {
    const { section, symbol, source, accesses, neighbours } = told.explanation;
    const facts = [["section", section], ["symbol", symbol], ...(source || []).map((line) => ["source", line]),
      ...(accesses || []).map((access) => [access.access, access.words]), ...(neighbours || []).map((text) => ["beside", text])];
    const rows = (told.sections || []).map(([name, start, size]) => VM.el("tr", {}, VM.el("td", { class: "mono" }, VM.hex(start)),
      VM.el("td", {}, VM.bytes(size)), VM.el("td", { class: "name" }, name)));
    return [VM.el("dl", {}, facts.filter(([, value]) => value).flatMap(([key, value]) => [VM.el("dt", {}, key), VM.el("dd", { class: "mono" }, value)])),
      rows.length ? [VM.el("h2", {}, "Sections in this mapping"), VM.el("table", {}, rows)] : null];
  };

  // The pages of a mapping as a picture, where they are known.
  const pages = async (rect) => {
    const answer = await VM.source.pages({ mm: VM.state.mm, at: Math.round(VM.state.now), start: rect.start, size: rect.size });
    if (!answer || !answer.cells) return null;
    const colour = VM.kind(rect.kind)[2];
    const words = { A: "anonymous", a: "anonymous, some of it", F: "of a file", f: "of a file, some of it", m: "anonymous and of a file", s: "in swap" };
    const cells = [...answer.cells].map((letter) => VM.el("i", words[letter]
      ? { title: words[letter], style: { background: colour, color: VM.inkOn(colour) } }
      : { title: letter === " " ? "not mapped" : "no page there" }, words[letter] ? letter : ""));
    const legend = [...new Set(answer.cells)].filter((letter) => words[letter]).map((letter) => letter + " " + words[letter]);
    return [VM.el("h2", {}, "Pages, " + VM.bytes(answer.cell_bytes) + " a cell" + (answer.at_ns === undefined ? "" : ", at " + VM.time(answer.at_ns))),
      VM.el("div", { class: "pages" }, cells), VM.el("p", { class: "faint" }, [...legend, "blank: no page there"].join(" · "))];
  };

  let measure = "resident";
  let reversed = false;
  const measures = [["resident", "resident"], ["mapped", "mapped"], ["dirty", "its own pages (dirty)"], ["touched", "first touched in the span"],
    ["churn", "mapped in the span"], ["unmapped", "unmapped in the span"]];
  views.flame = async () => {
    const isSpan = ["touched", "churn", "unmapped"].includes(measure);
    const span = VM.state.span || (isSpan ? [0, VM.duration] : [0, VM.state.now]);
    const query = { mm: VM.state.mm, from: Math.round(span[0]), to: Math.round(span[1]), measure, reversed };
    const choose = VM.el("select", { id: "measure", "aria-label": "Measure", onchange: (event) => { measure = event.target.value; show(); } },
      measures.map(([value, text]) => VM.el("option", { value, selected: value === measure ? "" : null }, text)));
    const turn = VM.el("button", { type: "button", "aria-pressed": String(reversed), onclick: () => { reversed = !reversed; show(); } },
      "Reversed");
    const answer = await VM.source.flame(query);
    const when = answer && answer.at_ns !== undefined ? "at " + VM.time(answer.at_ns)
      : !isSpan ? "at " + VM.time(span[1]) : VM.state.span ? VM.time(span[0]) + " to " + VM.time(span[1]) : "in the whole run";
    const head = VM.el("p", { class: "row" }, choose, turn, VM.el("span", {}, when));
    if (!answer || !answer.root || !answer.root.value) return [head, VM.el("p", { class: "empty" }, (answer && answer.note)
      || "Nothing of that here, or the program was recorded with --no-stacks.")];
    return [head, VM.flame(answer.root), answer.note ? VM.el("p", { class: "faint" }, answer.note) : null];
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
        sum.resident += VM.residentAt(rect, time)[0];
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

  // What only the whole recording tells.
  const beingRead = () => [VM.el("p", { class: "empty" }, "The recording is being read: this is told when all of it is.")];

  views.findings = () => {
    if (!VM.overview.report) return beingRead();
    const findings = VM.overview.report.findings || [];
    if (!findings.length) return [VM.el("p", { class: "empty" }, "Nothing stands out.")];
    return findings.map((finding) => {
      const where = [finding.pid ? "process " + finding.pid : "", finding.bytes ? VM.bytes(finding.bytes) : ""].filter(Boolean);
      const go = finding.time_ns === null || finding.time_ns === undefined ? null
        : VM.el("button", { type: "button", onclick: () => VM.goTo(finding.time_ns) }, "at " + VM.time(finding.time_ns));
      return VM.el("div", { class: "finding" }, VM.el("b", {}, finding.kind.replaceAll("_", " ")),
        where.length || go ? VM.el("span", { class: "faint" }, " ", where.join(", "), " ", go) : null,
        VM.el("p", {}, finding.evidence), VM.el("p", { class: "faint" }, finding.advice),
        (finding.frames || []).slice(0, 12).map((frame) => VM.el("div", { class: "mono" }, frame.function
          + (frame.file ? " (" + frame.file.split("/").pop() + (frame.line ? ":" + frame.line : "") + ")" : ""))));
    });
  };

  views.run = () => {
    const report = VM.overview.report;
    if (!report) return beingRead();
    const parts = [VM.el("h2", {}, "Processes"), VM.el("table", {}, VM.el("tr", {}, ["pid", "calls", "faults", "peak", "program"]
      .map((text) => VM.el("th", { class: text === "program" ? "name" : null }, text))),
    report.processes.slice(0, 300).map((process) => VM.el("tr", {}, VM.el("td", {}, String(process.pid)),
      VM.el("td", {}, VM.count(process.calls)), VM.el("td", {}, VM.count(process.faults)),
      VM.el("td", {}, process.peak_resident === null ? "–" : VM.bytes(process.peak_resident)),
      VM.el("td", { class: "name", title: process.program }, process.program))))];
    parts.push(VM.el("h2", {}, "Largest growths"), VM.el("table", {}, report.growths.slice(0, 20).map((growth) => VM.el("tr", {
      class: "link", tabindex: 0, onclick: () => VM.goTo(growth.time_ns),
      onkeydown: (event) => { if (event.key === "Enter") VM.goTo(growth.time_ns); } }, VM.el("td", {}, VM.time(growth.time_ns)),
    VM.el("td", {}, VM.bytes(growth.bytes)), VM.el("td", { class: "name", title: growth.call }, growth.call)))));
    parts.push(VM.el("h2", {}, "Notes"), report.notes.map((note) => VM.el("p", {}, note.text)));
    return parts;
  };

  const put = (parts) => {
    const panel = VM.$("panel");
    const at = panel.dataset.tab === VM.state.tab ? panel.scrollTop : 0;
    // Whoever uses the keyboard stays on the line or field they were on.
    const focus = panel.contains(document.activeElement) ? document.activeElement : null;
    const rows = focus && [...panel.querySelectorAll("[tabindex], button, select")];
    const place = focus ? rows.indexOf(focus) : -1;
    panel.dataset.tab = VM.state.tab;
    panel.replaceChildren(...parts.flat(4).filter((part) => part !== null && part !== undefined && part !== false));
    panel.scrollTop = at;
    if (place >= 0) [...panel.querySelectorAll("[tabindex], button, select")][place]?.focus({ preventScroll: true });
  };

  const show = async () => {
    const mine = ++turn;
    const made = views[VM.state.tab]();
    const parts = made instanceof Promise ? await made.catch((error) => [VM.el("p", { class: "empty" }, "Not to be had: " + error.message)]) : made;
    if (mine !== turn) return;
    put(parts);
    if (VM.state.tab === "map" && VM.source.isServer && !isMoving) exact();
  };
  VM.showPanel = () => { if (VM.overview) show(); };

  const showTabs = () => {
    const host = VM.$("tabs");
    if (!host.children.length) {
      host.append(...tabs.map(([id, text], i) => VM.el("button", { type: "button", role: "tab", id: "tab-" + id, "aria-controls": "panel",
        title: "Key " + (i + 1), onclick: () => VM.set({ tab: id }) }, text)));
    }
    for (const tab of host.children) tab.setAttribute("aria-selected", String(tab.id === "tab-" + VM.state.tab));
    VM.$("panel").setAttribute("aria-labelledby", "tab-" + VM.state.tab);
    const main = document.querySelector("main");
    if ((main.dataset.tab === "flame") !== (VM.state.tab === "flame")) VM.set({ redraw: Symbol("width") });
    main.dataset.tab = VM.state.tab;
  };

  VM.tabs = tabs.map(([id]) => id);
  VM.startPanel = () => {
    VM.on(["tab"], showTabs);
    VM.on(["tab", "selected", "address", "redraw"], VM.showPanel);
    // While the cursor moves the map follows ten times a second; the pictures follow every frame.
    let waiting = null;
    const atRest = VM.whenAtRest(250, () => {
      isMoving = false;
      if (["map", "flame"].includes(VM.state.tab)) VM.showPanel();
    });
    VM.on(["now", "hidden", "query", "mm"], () => {
      isMoving = true;
      atRest();
      if (VM.state.tab !== "map" || waiting) return;
      waiting = setTimeout(() => { waiting = null; if (isMoving) VM.showPanel(); }, 90);
    });
    VM.on(["marks"], () => { if (VM.state.tab === "diff") VM.showPanel(); });
    VM.on(["span"], () => { if (VM.state.tab === "flame") VM.showPanel(); });
    showTabs();
    show();
  };
})();
