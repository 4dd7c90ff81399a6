// Address × time: every mapping a band, its resident part filled, its life from call to call.
"use strict";

(() => {
  let canvases;
  let pixels;
  let scale = VM.addressScale([]);
  let bands = VM.bandsOf([], scale);
  let moved = false;

  const span = () => VM.state.to - VM.state.from;
  const x = (time) => (time - VM.state.from) / span() * canvases.width();
  // The part of the scale that is shown: 0 is its bottom, 1 its top.
  const y = (part) => canvases.height() * (VM.state.high - part) / (VM.state.high - VM.state.low);
  VM.addressAt = (py) => {
    const part = VM.state.low + (1 - py / canvases.height()) * (VM.state.high - VM.state.low);
    return scale.addressAt(Math.min(1, Math.max(0, part)) * scale.total);
  };
  VM.heightOf = (address) => scale.heightOf(address) / scale.total;

  const matches = (rect) => {
    const query = VM.state.query;
    if (!query) return true;
    const address = /^(0x)?[0-9a-f]{5,}$/.test(query) ? parseInt(query, 16) : NaN;
    if (!Number.isNaN(address)) return rect.start <= address && address < rect.start + rect.size;
    return VM.nameOf(rect).toLowerCase().includes(query) || VM.kind(rect.kind)[0].includes(query);
  };
  VM.matches = matches;

  // Resident bytes of a rectangle at a time, and those of pages of its own.
  VM.residentAt = (rect, time) => {
    let found = [0, 0];
    for (const [at, bytes, own] of rect.resident) {
      if (at > time) break;
      found = [bytes, own];
    }
    return found;
  };

  // A paint that takes longer than this is spread over frames; until it is done the last picture is shown, moved and
  // stretched to where the view is now.
  const AT_ONCE_MS = 4;
  let picture = null;
  let job = null;

  const draw = () => {
    if (!VM.rects) return;
    canvases.fit();
    if (job) return drawLast();
    job = VM.beginBands(VM.state);
    pixels.begin();
    go();
  };

  const go = () => {
    if (!VM.paintBands(pixels, bands, job, performance.now() + AT_ONCE_MS)) {
      drawLast();
      const mine = job;
      requestAnimationFrame(() => { if (job === mine) go(); });
      return;
    }
    const { view, boxes } = job;
    job = null;
    const { from, to, low, high } = VM.state;
    const pen = canvases.base.getContext("2d");
    if (view.from === from && view.to === to && view.low === low && view.high === high && pixels.fits()) {
      pixels.end(pen);
      drawGaps(pen);
      drawLabels(pen, boxes);
      drawOver();
      VM.pictureIs(VM.overview && VM.overview.report ? "whole" : "draft");
    }
    keep(view, boxes);
    if (view.from !== from || view.to !== to || view.low !== low || view.high !== high) draw();
  };

  // Keeps what was painted for the frames in which there is no time to paint.
  const keep = (view, boxes) => {
    const canvas = picture ? picture.canvas : document.createElement("canvas");
    if (canvas.width !== pixels.width || canvas.height !== pixels.height) [canvas.width, canvas.height] = [pixels.width, pixels.height];
    pixels.end(canvas.getContext("2d"));
    picture = { canvas, view, boxes };
  };

  const drawLast = () => {
    if (!picture) return;
    const pen = canvases.base.getContext("2d");
    const { view } = picture;
    const [width, height] = [canvases.width(), canvases.height()];
    pen.clearRect(0, 0, width, height);
    pen.imageSmoothingEnabled = false;
    const left = x(view.from);
    const top = y(view.high);
    // Only the part that is seen: stretching what lies far outside would be slow.
    const kx = picture.canvas.width / (x(view.to) - left);
    const ky = picture.canvas.height / (y(view.low) - top);
    const [l, t] = [Math.max(0, left), Math.max(0, top)];
    const [r, b] = [Math.min(width, x(view.to)), Math.min(height, y(view.low))];
    if (l < r && t < b) {
      pen.drawImage(picture.canvas, (l - left) * kx, (t - top) * ky, (r - l) * kx, (b - t) * ky, l, t, r - l, b - t);
    }
    drawLabels(pen, picture.boxes.slice(0, 25));
    drawOver();
  };

  const drawLabels = (pen, boxes) => {
    const [width, height] = [canvases.width(), canvases.height()];
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "left";
    for (const i of boxes) {
      const rect = bands.rects[i];
      if (!rect || bands.faded[i] || bands.hidden[i]) continue;
      const [left, right] = [Math.max(0, x(rect.from_ns)), Math.min(width, x(rect.to_ns))];
      const [top, bottom] = [Math.max(0, y(bands.high[i])), Math.min(height, y(bands.low[i]))];
      if (right - left < 44 || bottom - top < 12) continue;
      const [name, letter] = VM.kind(rect.kind);
      const room = Math.floor((right - left - 10) / 6.2);
      const text = letter + " " + (VM.shortName(rect) || name);
      VM.label(pen, text.length > room ? text.slice(0, Math.max(1, room - 1)) + "…" : text, left + 5, (top + bottom) / 2 + 4);
    }
  };

  const drawGaps = (pen) => {
    const ink = VM.palette();
    const width = canvases.width();
    pen.strokeStyle = ink.css_faint;
    pen.lineWidth = 1;
    pen.font = "10px system-ui, sans-serif";
    pen.textAlign = "right";
    pen.setLineDash([1, 4]);
    pen.beginPath();
    let last = -9;
    for (const gap of scale.gaps) {
      const [low, high] = [y(gap.top / scale.total), y((gap.top + gap.height) / scale.total)];
      const middle = (low + high) / 2;
      if (middle < -5 || middle > canvases.height() + 5 || low - high < 2.5 || Math.abs(middle - last) < 2) continue;
      last = middle;
      pen.moveTo(0, middle);
      pen.lineTo(width, middle);
      if (low - high > 11) VM.label(pen, "hole of " + VM.bytes(gap.size), width - 6, middle + 3.5, ink.css_faint);
    }
    pen.stroke();
    pen.setLineDash([]);
  };

  const drawSelected = (pen) => {
    const rect = VM.state.selected;
    if (!rect) return;
    pen.strokeStyle = VM.palette().css_cursor;
    pen.lineWidth = 2;
    const top = y(VM.heightOf(rect.start + rect.size));
    const bottom = y(VM.heightOf(rect.start));
    pen.strokeRect(x(rect.from_ns), top, Math.max(2, x(rect.to_ns) - x(rect.from_ns)), Math.max(2, bottom - top));
  };

  const drawOver = () => {
    const pen = canvases.over.getContext("2d");
    VM.drawCursor(pen, canvases.width(), canvases.height());
    drawSelected(pen);
  };

  // The rectangle at a place: the shortest that holds it, else the nearest within three pixels.
  const hit = (px, py) => {
    const time = VM.timeAt(px, canvases.width());
    const slack = 3 / canvases.width() * span();
    let best = -1;
    let nearest = 4;
    for (let i = 0; i < bands.n; i++) {
      if (bands.hidden[i] || bands.from[i] > time + slack || bands.to[i] < time - slack) continue;
      const top = y(bands.high[i]);
      const bottom = y(bands.low[i]);
      const away = py < top ? top - py : py > bottom ? py - bottom : 0;
      const size = bands.end[i] - bands.start[i];
      if (away < nearest || away === nearest && best >= 0 && size < bands.end[best] - bands.start[best]) {
        [best, nearest] = [i, away];
      }
    }
    return best < 0 ? null : bands.rects[best];
  };

  VM.nameOf = (rect) => VM.names[rect.name] || rect.text || "";
  VM.shortName = (rect) => VM.nameOf(rect).split("/").pop();

  let pointer = null;
  // At most once a frame, however fast the pointer is.
  const hover = (event) => {
    const idle = !pointer;
    pointer = { x: event.clientX, y: event.clientY };
    if (idle) requestAnimationFrame(() => { if (pointer) showTip(pointer); pointer = null; });
  };

  const showTip = (at) => {
    const box = VM.$("atlas").getBoundingClientRect();
    const rect = hit(at.x - box.left, at.y - box.top);
    const tip = VM.$("tip");
    tip.hidden = !rect;
    if (!rect) return;
    const [resident, own] = VM.residentAt(rect, VM.timeAt(at.x - box.left, box.width));
    tip.textContent = [
      VM.kind(rect.kind)[0] + (VM.nameOf(rect) ? "  " + VM.nameOf(rect) : ""),
      VM.hex(rect.start) + "-" + VM.hex(rect.start + rect.size) + "  " + rect.rights + "  " + VM.bytes(rect.size),
      "resident " + VM.bytes(resident) + (own && own < resident ? " (its own " + VM.bytes(own) + ")" : "")
        + ", lives from " + VM.time(rect.from_ns) + " to " + VM.time(rect.to_ns),
    ].join("\n");
    tip.style.left = Math.max(4, Math.min(at.x + 14, window.innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = Math.max(4, Math.min(at.y + 14, window.innerHeight - tip.offsetHeight - 8)) + "px";
  };

  VM.zoomAddress = (factor, py) => {
    const { low, high } = VM.state;
    const about = low + (1 - py / canvases.height()) * (high - low);
    const length = Math.min(1, Math.max(1e-4, (high - low) * factor));
    const part = (about - low) / (high - low);
    const from = Math.min(Math.max(0, about - part * length), 1 - length);
    VM.set({ low: from, high: from + length });
  };

  const pan = (begun, event) => {
    const dx = (event.clientX - begun.x) / canvases.width() * (begun.to - begun.from);
    const dy = (event.clientY - begun.y) / canvases.height() * (begun.high - begun.low);
    const length = begun.to - begun.from;
    const from = Math.min(Math.max(0, begun.from - dx), VM.duration - length);
    const tall = begun.high - begun.low;
    const low = Math.min(Math.max(0, begun.low + dy), 1 - tall);
    VM.set({ from, to: from + length, low, high: low + tall });
  };

  const listen = (host) => {
    let begun = null;
    host.addEventListener("pointerdown", (event) => {
      const { from, to, low, high } = VM.state;
      begun = { x: event.clientX, y: event.clientY, from, to, low, high };
      moved = false;
      host.setPointerCapture(event.pointerId);
    });
    host.addEventListener("pointermove", (event) => {
      if (!begun) return hover(event);
      moved = moved || Math.hypot(event.clientX - begun.x, event.clientY - begun.y) > 4;
      if (moved) pan(begun, event);
    });
    host.addEventListener("pointerup", (event) => {
      if (begun && !moved) {
        const box = host.getBoundingClientRect();
        const [px, py] = [event.clientX - box.left, event.clientY - box.top];
        const rect = hit(px, py);
        VM.select(rect, rect ? Math.min(Math.max(VM.addressAt(py), rect.start), rect.start + rect.size - 1) : null,
          VM.timeAt(px, canvases.width()));
      }
      begun = null;
    });
    host.addEventListener("pointerleave", () => { pointer = null; VM.$("tip").hidden = true; });
    host.addEventListener("wheel", VM.wheel, { passive: false });
  };

  VM.select = (rect, address, time) => {
    const change = { selected: rect, address: rect ? address : null };
    if (time !== undefined) change.now = time;
    if (rect) change.tab = "story";
    VM.set(change);
  };

  const restart = () => { job = null; draw(); };
  const choose = () => { VM.chooseBands(bands); restart(); };

  // The rectangles that live at a time, highest address first; hidden ones too.
  VM.aliveAt = (time) => {
    const found = [];
    for (let k = 0; k < bands.n; k++) if (VM.livesAt(bands, bands.byAddress[k], time)) found.push(bands.rects[bands.byAddress[k]]);
    return found;
  };
  // How many live at a time, and their bytes.
  VM.sumAt = (time) => {
    let [count, size] = [0, 0];
    for (let i = 0; i < bands.n; i++) {
      if (!VM.livesAt(bands, i, time)) continue;
      count++;
      size += bands.end[i] - bands.start[i];
    }
    return { count, size };
  };

  // Takes new rectangles; the scale stays where only more of the same window came.
  VM.startAtlas = (keepsScale) => {
    if (!canvases) {
      const host = VM.$("atlas");
      canvases = VM.canvases(host);
      pixels = VM.pixels(canvases.base);
      listen(host);
      VM.on(["from", "to", "low", "high"], draw);
      VM.on(["redraw"], restart);
      VM.on(["hidden", "query"], choose);
      VM.on(["now", "span", "marks", "selected"], drawOver);
      window.addEventListener("resize", restart);
    }
    if (!keepsScale) scale = VM.addressScale(VM.rects);
    bands = VM.bandsOf(VM.rects, scale);
    picture = null;
    choose();
  };
})();
