// Resident memory by kind over time, with the density of calls and faults below it.
"use strict";

(() => {
  const AXIS = 17;
  const LANE = 15;
  const LANES_MAX = 4;
  const HEADROOM = 16;
  let canvases;
  let pixels;
  let overview;
  let steps = [];
  let peak = 1;
  let lanes = [];

  // Kinds from the bottom of the picture upwards.
  const order = Object.keys(VM.kinds);

  const prepare = () => {
    const series = overview.series || [];
    steps = series.map((sample) => ({ time: sample.time_ns, kinds: new Map(sample.kinds) }));
    peak = 1;
    for (const step of steps) {
      let sum = 0;
      for (const bytes of step.kinds.values()) sum += bytes;
      step.sum = sum;
      peak = Math.max(peak, sum);
    }
  };

  // The lanes below the picture: processes, of that selected the threads too; with what was left out.
  const prepareLanes = () => {
    const byPid = new Map();
    for (const memory of overview.memories) {
      const lane = byPid.get(memory.pid) || { pid: memory.pid, from: memory.from_ns, to: 0, mms: [], program: "" };
      lane.from = Math.min(lane.from, memory.from_ns);
      lane.to = Math.max(lane.to, memory.to_ns || VM.duration);
      lane.mms.push(memory.mm);
      lane.program = VM.programOf(memory) || lane.program;
      byPid.set(memory.pid, lane);
    }
    const all = [...byPid.values()].sort((a, b) => a.from - b.from);
    const chosen = all.find((lane) => lane.mms.includes(VM.state.mm)) || all[0];
    const some = (list, must) => {
      const few = list.slice(0, LANES_MAX);
      if (must && !few.includes(must)) few[few.length - 1] = must;
      return few;
    };
    lanes = some(all, chosen).map((lane) => ({ ...lane, text: lane.program + " " + lane.pid, isChosen: lane === chosen,
      mm: lane.mms[lane.mms.length - 1] }));
    const more = all.length - lanes.length;
    if (more > 0) lanes[lanes.length - 1].text += "  (" + VM.count(more) + " more processes: choose one above)";
    const threads = (overview.threads || []).filter((thread) => chosen && thread.pid === chosen.pid && thread.tid !== chosen.pid);
    const few = threads.slice(0, LANES_MAX).map((thread) => ({ from: thread.from_ns, to: thread.to_ns, isThread: true,
      text: "thread " + thread.tid + (thread.name ? " " + thread.name : "") }));
    if (threads.length > few.length) few[few.length - 1].text += "  (" + VM.count(threads.length - few.length) + " more threads)";
    lanes.splice(lanes.findIndex((lane) => lane.isChosen) + 1, 0, ...few);
    VM.$("timeline").style.height = 78 + HEADROOM + AXIS + LANE * (2 + lanes.length) + "px";
  };

  const x = (time) => (time - VM.state.from) / (VM.state.to - VM.state.from) * canvases.width();
  VM.timeAt = (px, width) => VM.state.from + px / width * (VM.state.to - VM.state.from);

  const draw = () => {
    if (!overview) return;
    canvases.fit();
    const pen = canvases.base.getContext("2d");
    const width = canvases.width();
    const bottom = canvases.height() - AXIS - LANE * (2 + lanes.length);
    pixels.begin();
    paintKinds(bottom);
    const density = overview.density;
    paintCounts(density.events || density.calls, density.bucket_ns, bottom + AXIS + LANE);
    paintCounts(density.faults, density.bucket_ns, bottom + AXIS + 2 * LANE);
    paintLanes(bottom + AXIS + 2 * LANE);
    pixels.end(pen);
    drawWords(pen, width, bottom);
    drawOver();
  };

  // A column of the picture for each pixel: of several moments in one pixel the largest.
  const paintKinds = (bottom) => {
    const dense = canvases.density();
    const kinds = VM.palette().kinds;
    const shown = order.filter((slug) => !VM.state.hidden.has(slug));
    const perPixel = (VM.state.to - VM.state.from) / pixels.width;
    let at = 0;
    while (at + 1 < steps.length && steps[at + 1].time <= VM.state.from) at++;
    for (let column = 0; column < pixels.width; column++) {
      const until = VM.state.from + (column + 1) * perPixel;
      let step = steps[at];
      if (!step || step.time >= until) continue;
      while (at + 1 < steps.length && steps[at + 1].time < until) {
        at++;
        if (steps[at].sum >= step.sum) step = steps[at];
      }
      let sum = 0;
      let from = Math.round(bottom * dense);
      for (const slug of shown) {
        const bytes = step.kinds.get(slug);
        if (!bytes) continue;
        sum += bytes;
        const to = Math.round((bottom - sum / peak * (bottom - HEADROOM)) * dense);
        if (to < from) pixels.box(column, to, column + 1, from, kinds.get(slug).plain[0]);
        from = Math.min(from, to);
      }
    }
  };

  // How often something happened, as columns that stand on a line.
  const paintCounts = (counts, bucket, line) => {
    const dense = canvases.density();
    const colour = VM.palette().accent;
    const scale = pixels.width / (VM.state.to - VM.state.from);
    const most = counts.reduce((a, b) => Math.max(a, b), 1);
    const first = Math.max(0, Math.floor(VM.state.from / bucket));
    const last = Math.min(counts.length - 1, Math.floor(VM.state.to / bucket));
    for (let i = first; i <= last; i++) {
      if (!counts[i]) continue;
      const left = Math.max(0, Math.round((i * bucket - VM.state.from) * scale));
      const right = Math.min(pixels.width, Math.max(left + 1, Math.round(((i + 1) * bucket - VM.state.from) * scale) - (dense >= 1 ? 1 : 0)));
      const tall = Math.max(1.5, Math.log1p(counts[i]) / Math.log1p(most) * (LANE - 3)) * dense;
      if (left < right) pixels.box(left, Math.round(line * dense - tall), right, Math.round(line * dense), colour);
    }
  };

  const paintLanes = (top) => {
    const dense = canvases.density();
    const ink = VM.palette();
    const scale = pixels.width / (VM.state.to - VM.state.from);
    lanes.forEach((lane, i) => {
      const left = Math.max(0, Math.round((lane.from - VM.state.from) * scale));
      const right = Math.min(pixels.width, Math.max(left + 1, Math.round((lane.to - VM.state.from) * scale)));
      const y = top + i * LANE;
      const [from, to] = [y + LANE - 3, y + LANE - (lane.isThread ? 2 : 0)];
      if (left < right) pixels.box(left, Math.round(from * dense), right, Math.round(to * dense), lane.isChosen ? ink.accent : ink.lane);
    });
  };

  const drawWords = (pen, width, bottom) => {
    const ink = VM.palette();
    pen.fillStyle = ink.css_line;
    pen.fillRect(0, bottom, width, 1);
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "center";
    for (const [time, text] of VM.ticks(VM.state.from, VM.state.to, width / 110)) {
      pen.fillStyle = ink.css_faint;
      pen.fillRect(Math.round(x(time)), bottom, 1, 4);
      if (x(time) > 24 && x(time) < width - 24) pen.fillText(text, x(time), bottom + 14);
    }
    pen.textAlign = "left";
    const words = steps.length ? "peak " + VM.bytes(peak) : "no pages were read in this recording";
    pen.fillStyle = ink.css_line;
    if (steps.length) pen.fillRect(0, HEADROOM, width, 1);
    VM.label(pen, words, 6, 12, ink.css_faint);
    [...(overview.density.events ? ["events", "faults: being read"] : ["calls", "faults"]), ...lanes.map((lane) => (lane.isThread ? "   " : "") + lane.text)].forEach((text, lane) => {
      const at = lanes[lane - 2];
      VM.label(pen, text, 6, bottom + AXIS + (lane + 1) * LANE - 5, at && !at.isChosen ? ink.css_faint : ink.css_fg);
    });
  };

  // The memory of the lane at a height, if it is a process's.
  const laneAt = (py) => {
    const at = Math.floor((py - (canvases.height() - LANE * lanes.length)) / LANE);
    return lanes[at] && !lanes[at].isThread ? lanes[at].mm : null;
  };

  // The cursor, the marks and the selected span.
  VM.drawCursor = (pen, width, height) => {
    const ink = VM.palette();
    const at = (time) => (time - VM.state.from) / (VM.state.to - VM.state.from) * width;
    pen.clearRect(0, 0, width, height);
    const { span, marks, now } = VM.state;
    if (span) {
      pen.fillStyle = ink.css_select;
      pen.fillRect(at(span[0]), 0, at(span[1]) - at(span[0]), height);
    }
    pen.textAlign = "left";
    pen.font = "bold 11px system-ui, sans-serif";
    marks.forEach((mark, i) => {
      pen.fillStyle = ink.css_accent;
      pen.fillRect(at(mark) - 0.5, 0, 1, height);
      VM.label(pen, "AB"[i], at(mark) + 4, 26, ink.css_accent);
    });
    pen.fillStyle = ink.css_cursor;
    pen.fillRect(at(now) - 0.75, 0, 1.5, height);
  };

  const drawOver = () => VM.drawCursor(canvases.over.getContext("2d"), canvases.width(), canvases.height());

  const legend = () => {
    const used = new Set(steps.flatMap((step) => [...step.kinds.keys()]));
    for (const rect of VM.rects || []) used.add(rect.kind);
    const list = order.filter((slug) => used.has(slug));
    const host = VM.$("legend");
    // The same buttons stay, so that whoever uses the keyboard does not lose the place.
    if (host.dataset.kinds !== list.join()) {
      host.dataset.kinds = list.join();
      host.replaceChildren(...list.map((slug) => VM.el("button", { type: "button", "data-kind": slug, title: "Show or hide",
        onclick: () => VM.toggleKind(slug) }, VM.swatch(slug), VM.kind(slug)[0])));
    }
    for (const button of host.children) button.setAttribute("aria-pressed", String(!VM.state.hidden.has(button.dataset.kind)));
  };
  VM.toggleKind = (slug) => {
    const hidden = new Set(VM.state.hidden);
    if (hidden.has(slug)) hidden.delete(slug); else hidden.add(slug);
    VM.set({ hidden });
  };
  VM.drawLegend = legend;

  VM.startTimeline = (loaded) => {
    overview = loaded;
    const host = VM.$("timeline");
    if (!canvases) {
      canvases = VM.canvases(host);
      pixels = VM.pixels(canvases.base);
      let begun = null;
      const timeOf = (event) => VM.timeAt(event.clientX - host.getBoundingClientRect().left, canvases.width());
      host.addEventListener("pointerdown", (event) => {
        begun = { x: event.clientX, time: timeOf(event), mm: laneAt(event.clientY - host.getBoundingClientRect().top) };
        host.setPointerCapture(event.pointerId);
        VM.set({ now: begun.time, span: null });
      });
      host.addEventListener("pointermove", (event) => {
        if (!begun) return;
        const time = Math.min(Math.max(timeOf(event), 0), overview.duration_ns);
        if (Math.abs(event.clientX - begun.x) >= 4) begun.mm = null;
        if (event.shiftKey || Math.abs(event.clientX - begun.x) < 4) VM.set({ now: time });
        else VM.set({ span: [Math.min(begun.time, time), Math.max(begun.time, time)], now: time });
      });
      host.addEventListener("pointerup", () => {
        if (begun && begun.mm !== null && VM.chooseMemory) VM.chooseMemory(begun.mm);
        begun = null;
      });
      host.addEventListener("wheel", VM.wheel, { passive: false });
      VM.on(["from", "to", "hidden", "redraw"], draw);
      VM.on(["mm"], () => { prepareLanes(); draw(); });
      VM.on(["now", "span", "marks"], drawOver);
      VM.on(["hidden"], legend);
      window.addEventListener("resize", draw);
    }
    prepare();
    prepareLanes();
    legend();
    draw();
  };

  // The wheel zooms time about the pointer; with shift, addresses (in the atlas).
  VM.wheel = (event) => {
    event.preventDefault();
    const host = event.currentTarget;
    const box = host.getBoundingClientRect();
    const factor = Math.exp(Math.sign(event.deltaY || event.deltaX) * 0.22);
    if (event.shiftKey && host.id === "atlas") VM.zoomAddress(factor, event.clientY - box.top);
    else VM.zoomTime(factor, VM.timeAt(event.clientX - box.left, host.clientWidth));
  };
  VM.zoomTime = (factor, about) => {
    const whole = overview.duration_ns || 1;
    const length = Math.min(whole, Math.max(1000, (VM.state.to - VM.state.from) * factor));
    const part = (about - VM.state.from) / (VM.state.to - VM.state.from);
    const from = Math.min(Math.max(0, about - part * length), whole - length);
    VM.set({ from, to: from + length });
  };
})();
