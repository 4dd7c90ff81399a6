// What every part uses: the kinds of memory, numbers as people read them, elements, the state that all share.
"use strict";

const VM = {};

// Stable name: [name for people, letter, colour]. Each colour also has a letter, and reservations a pattern.
VM.kinds = {
  text: ["text", "T", "#33608f"], rodata: ["read-only data", "R", "#6d98c4"], relro: ["RELRO", "L", "#8fb8de"],
  data: ["data", "D", "#1d3f66"], bss: ["bss", "B", "#a9c7e6"], heap: ["heap", "H", "#e07b39"],
  main_stack: ["main stack", "S", "#c9a227"], thread_stack: ["thread stacks", "s", "#dcc05a"],
  stack_guard: ["stack guards", "g", "#8a8a8a"], arena: ["allocator arenas", "a", "#1f7a68"],
  large_malloc: ["large malloc blocks", "m", "#4aa390"], jit_code: ["JIT code", "J", "#93a832"],
  reservation: ["reservations", "r", "#b3bac4"], anonymous: ["other anonymous", "A", "#36a98e"],
  private_file: ["private files", "F", "#8d4c9e"], shared_file: ["shared files", "f", "#b0456f"],
  sysv_shm: ["System V segments", "V", "#c96a8b"], memory_file: ["memfd, POSIX, tmpfs", "M", "#dd8fab"],
  shared_anonymous: ["shared anonymous", "Z", "#e7afc4"], vdso: ["vdso", "v", "#5f6b7a"],
  vvar: ["vvar", "y", "#76828f"], vsyscall: ["vsyscall", "k", "#98a2ae"], device: ["devices and rings", "d", "#4b5360"],
};
VM.kind = (slug) => VM.kinds[slug] || [slug, "?", "#777777"];

VM.bytes = (n) => {
  if (n < 1024) return n + " B";
  let unit = -1;
  do { n /= 1024; unit++; } while (n >= 1023.95 && unit < 5);
  return (n < 100 ? n.toFixed(1) : Math.round(n)) + " " + ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"][unit];
};
VM.count = (n) => String(Math.round(n)).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
VM.time = (ns) => {
  const s = ns / 1e9;
  if (s >= 120) return Math.floor(s / 60) + " min " + String(Math.floor(s % 60)).padStart(2, "0") + " s";
  if (s >= 10) return s.toFixed(2) + " s";
  if (s >= 0.1) return s.toFixed(4) + " s";
  return (ns / 1e6).toFixed(3) + " ms";
};
VM.hex = (n) => "0x" + n.toString(16);

// An element with attributes and children; text is always text, never markup.
VM.el = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
};
VM.$ = (id) => document.getElementById(id);
VM.swatch = (slug) => {
  const [name, letter, colour] = VM.kind(slug);
  return VM.el("span", { class: "swatch", style: { background: colour, color: VM.inkOn(colour) }, title: name }, letter);
};

// The shared state. `set` changes it and tells the parts that asked for those names.
VM.state = {
  mm: 0, from: 0, to: 1, low: 0, high: 1, now: 0, selected: null, span: null, marks: [], hidden: new Set(),
  query: "", tab: "map",
};
const listeners = [];
VM.on = (names, call) => listeners.push([names, call]);
let pending = null;
VM.set = (change) => {
  Object.assign(VM.state, change);
  if (!pending) {
    pending = new Set();
    requestAnimationFrame(() => {
      const changed = pending;
      pending = null;
      for (const [names, call] of listeners) if (names.some((name) => changed.has(name))) call();
    });
  }
  for (const name of Object.keys(change)) pending.add(name);
};

// Does something when nobody has asked for it again for a while; until then the page says that it is not at rest.
let unsettled = 0;
VM.whenAtRest = (ms, call) => {
  let waiting = null;
  const settle = (change) => {
    unsettled += change;
    document.documentElement.classList.toggle("unsettled", unsettled > 0);
  };
  return () => {
    if (waiting === null) settle(1);
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      waiting = null;
      call();
      settle(-1);
    }, ms);
  };
};

// Two canvases of the right resolution: the picture below, cursor and selection above.
VM.canvases = (host) => {
  const base = host.querySelector("canvas.base");
  const over = host.querySelector("canvas.over");
  // Very large pictures are drawn with one pixel for one, or they would be slow.
  const now = { width: 1, height: 1, scale: 1 };
  // Asked for once a picture: asking the page for its layout is slow.
  const fit = () => {
    [now.width, now.height] = [host.clientWidth, host.clientHeight];
    const wanted = window.devicePixelRatio || 1;
    const scale = now.width * now.height * wanted * wanted > 4e6 ? 1 : wanted;
    now.scale = scale;
    const width = Math.max(1, Math.round(now.width * scale));
    const height = Math.max(1, Math.round(now.height * scale));
    for (const canvas of [base, over]) {
      if (canvas.width === width && canvas.height === height) continue;
      [canvas.width, canvas.height] = [width, height];
      canvas.getContext("2d").setTransform(scale, 0, 0, scale, 0, 0);
    }
  };
  fit();
  return { base, over, fit, density: () => now.scale, width: () => now.width, height: () => now.height };
};

// Says in the document what has been painted, and when that was for the first time.
VM.pictureIs = (what) => {
  document.documentElement.dataset.picture = what;
  if (VM.pictureAt === undefined) requestAnimationFrame(() => { VM.pictureAt ??= performance.timeOrigin + performance.now(); });
};
