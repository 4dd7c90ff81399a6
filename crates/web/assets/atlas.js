// Address × time: every mapping a band, its resident part filled, its life from call to call.
"use strict";

(() => {
  let canvases;
  let scale = VM.addressScale([]);
  let moved = false;

  const span = () => VM.state.to - VM.state.from;
  const x = (time) => (time - VM.state.from) / span() * canvases.width();
  // The part of the scale that is shown: 0 is its bottom, 1 its top.
  const y = (address) => {
    const part = scale.heightOf(address) / scale.total;
    return canvases.height() * (1 - (part - VM.state.low) / (VM.state.high - VM.state.low));
  };
  VM.addressAt = (py) => {
    const part = VM.state.low + (1 - py / canvases.height()) * (VM.state.high - VM.state.low);
    return scale.addressAt(Math.min(1, Math.max(0, part)) * scale.total);
  };

  const matches = (rect) => {
    const query = VM.state.query;
    if (!query) return true;
    const address = /^(0x)?[0-9a-f]{5,}$/.test(query) ? parseInt(query, 16) : NaN;
    if (!Number.isNaN(address)) return rect.start <= address && address < rect.start + rect.size;
    return VM.nameOf(rect).toLowerCase().includes(query) || VM.kind(rect.kind)[0].includes(query);
  };
  VM.matches = matches;

  // Resident bytes of a rectangle at a time.
  VM.residentAt = (rect, time) => {
    let bytes = 0;
    for (const [at, now] of rect.resident) {
      if (at > time) break;
      bytes = now;
    }
    return bytes;
  };

  const draw = () => {
    if (!VM.rects) return;
    canvases.fit();
    const pen = canvases.base.getContext("2d");
    const width = canvases.width();
    const height = canvases.height();
    pen.clearRect(0, 0, width, height);
    drawGaps(pen, width);
    const pattern = VM.hatch(pen);
    for (const rect of VM.rects) {
      if (VM.state.hidden.has(rect.kind)) continue;
      const left = Math.max(0, x(rect.from_ns));
      const right = Math.min(width, x(rect.to_ns));
      if (right < 0 || left > width) continue;
      const top = y(rect.start + rect.size);
      const bottom = y(rect.start);
      if (bottom < 0 || top > height) continue;
      drawRect(pen, rect, { left, right: Math.max(left + 0.8, right), top, bottom: Math.max(top + 0.8, bottom) }, pattern);
    }
    drawSelected(pen);
    drawOver();
  };

  const drawRect = (pen, rect, box, pattern) => {
    const colour = VM.kind(rect.kind)[2];
    const w = box.right - box.left;
    const h = box.bottom - box.top;
    const faded = matches(rect) ? 1 : 0.12;
    pen.globalAlpha = 0.28 * faded;
    pen.fillStyle = colour;
    pen.fillRect(box.left, box.top, w, h);
    pen.globalAlpha = faded;
    if (rect.kind === "reservation" || rect.kind === "stack_guard") {
      pen.fillStyle = pattern;
      pen.fillRect(box.left, box.top, w, h);
    } else {
      drawResident(pen, rect, box, colour);
    }
    if (h > 2.5 && w > 2.5) {
      pen.strokeStyle = colour;
      pen.lineWidth = 0.6;
      pen.strokeRect(box.left + 0.3, box.top + 0.3, w - 0.6, h - 0.6);
    }
    if (h > 11 && w > 40) {
      pen.fillStyle = VM.style("--fg");
      pen.font = "11px system-ui, sans-serif";
      pen.textAlign = "left";
      const text = VM.kind(rect.kind)[1] + " " + (VM.shortName(rect) || VM.kind(rect.kind)[0]);
      pen.save();
      pen.beginPath();
      pen.rect(box.left, box.top, w - 3, h);
      pen.clip();
      pen.fillText(text, box.left + 4, (box.top + box.bottom) / 2 + 4);
      pen.restore();
    }
    pen.globalAlpha = 1;
  };

  // From the bottom: as much of the height as was resident, step by step.
  const drawResident = (pen, rect, box, colour) => {
    pen.fillStyle = colour;
    const h = box.bottom - box.top;
    for (let i = 0; i < rect.resident.length; i++) {
      const [time, bytes] = rect.resident[i];
      const next = i + 1 < rect.resident.length ? rect.resident[i + 1][0] : rect.to_ns;
      const left = Math.max(box.left, x(time));
      const right = Math.min(box.right, Math.max(x(next), left + 0.8));
      if (!bytes || right <= left) continue;
      const filled = Math.max(0.8, h * Math.min(1, bytes / rect.size));
      pen.fillRect(left, box.bottom - filled, right - left, filled);
    }
  };

  const drawGaps = (pen, width) => {
    pen.strokeStyle = VM.style("--line");
    pen.fillStyle = VM.style("--faint");
    pen.lineWidth = 1;
    pen.font = "10px system-ui, sans-serif";
    pen.textAlign = "right";
    for (const gap of scale.gaps) {
      const middle = (y(gap.start) + y(gap.start + gap.size)) / 2;
      if (middle < -5 || middle > canvases.height() + 5) continue;
      const room = Math.abs(y(gap.start) - y(gap.start + gap.size));
      if (room < 2.5) continue;
      pen.setLineDash([2, 4]);
      pen.beginPath();
      pen.moveTo(0, middle); pen.lineTo(width, middle);
      pen.stroke();
      pen.setLineDash([]);
      if (room > 9) pen.fillText("hole of " + VM.bytes(gap.size), width - 6, middle + 3.5);
    }
  };

  const drawSelected = (pen) => {
    const rect = VM.state.selected;
    if (!rect) return;
    pen.strokeStyle = VM.style("--cursor");
    pen.lineWidth = 2;
    const top = y(rect.start + rect.size);
    const bottom = y(rect.start);
    pen.strokeRect(x(rect.from_ns), top, Math.max(2, x(rect.to_ns) - x(rect.from_ns)), Math.max(2, bottom - top));
  };

  const drawOver = () => VM.drawCursor(canvases.over.getContext("2d"), canvases.width(), canvases.height());

  // The rectangle at a place: the shortest that holds it, else the nearest within three pixels.
  const hit = (px, py) => {
    const time = VM.timeAt(px, canvases.width());
    const slack = 3 / canvases.width() * span();
    let best = null;
    let nearest = 4;
    for (const rect of VM.rects || []) {
      if (rect.from_ns > time + slack || rect.to_ns < time - slack || VM.state.hidden.has(rect.kind)) continue;
      const top = y(rect.start + rect.size);
      const bottom = y(rect.start);
      const away = py < top ? top - py : py > bottom ? py - bottom : 0;
      const closer = away < nearest || away === nearest && best && rect.size < best.size;
      if (closer) [best, nearest] = [rect, away];
    }
    return best;
  };

  VM.nameOf = (rect) => VM.names[rect.name] || "";
  VM.shortName = (rect) => VM.nameOf(rect).split("/").pop();

  const hover = (event) => {
    const box = VM.$("atlas").getBoundingClientRect();
    const rect = hit(event.clientX - box.left, event.clientY - box.top);
    const tip = VM.$("tip");
    tip.hidden = !rect;
    if (!rect) return;
    const resident = VM.residentAt(rect, VM.timeAt(event.clientX - box.left, box.width));
    tip.textContent = [
      VM.kind(rect.kind)[0] + (VM.nameOf(rect) ? "  " + VM.nameOf(rect) : ""),
      VM.hex(rect.start) + "-" + VM.hex(rect.start + rect.size) + "  " + rect.rights + "  " + VM.bytes(rect.size),
      "resident " + VM.bytes(resident) + ", " + VM.time(rect.from_ns) + " to " + VM.time(rect.to_ns),
    ].join("\n");
    tip.style.left = Math.min(event.clientX + 14, window.innerWidth - 470) + "px";
    tip.style.top = Math.min(event.clientY + 14, window.innerHeight - 80) + "px";
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
    host.addEventListener("pointerleave", () => { VM.$("tip").hidden = true; });
    host.addEventListener("wheel", VM.wheel, { passive: false });
  };

  VM.select = (rect, address, time) => {
    const change = { selected: rect, address: rect ? address : null };
    if (time !== undefined) change.now = time;
    if (rect) change.tab = "story";
    VM.set(change);
  };

  VM.startAtlas = () => {
    if (!canvases) {
      const host = VM.$("atlas");
      canvases = VM.canvases(host);
      listen(host);
      VM.on(["from", "to", "low", "high", "hidden", "query", "selected", "redraw"], draw);
      VM.on(["now", "span", "marks"], drawOver);
      window.addEventListener("resize", draw);
    }
    scale = VM.addressScale(VM.rects);
    draw();
  };
})();
