// Resident memory by kind over time, with the density of calls and faults below it.
"use strict";

(() => {
  const LANE = 16;
  let canvases;
  let overview;
  let steps = [];
  let peak = 1;

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

  const x = (time) => (time - VM.state.from) / (VM.state.to - VM.state.from) * canvases.width();
  VM.timeAt = (px, width) => VM.state.from + px / width * (VM.state.to - VM.state.from);

  const draw = () => {
    if (!overview) return;
    canvases.fit();
    const pen = canvases.base.getContext("2d");
    const width = canvases.width();
    const height = canvases.height() - 2 * LANE;
    pen.clearRect(0, 0, width, canvases.height());
    const shown = order.filter((slug) => !VM.state.hidden.has(slug));
    for (let i = 0; i < steps.length; i++) {
      const end = i + 1 < steps.length ? steps[i + 1].time : overview.duration_ns;
      const left = Math.max(0, x(steps[i].time));
      const right = Math.min(width, x(end));
      if (right < 0 || left > width || right - left <= 0) continue;
      let y = height;
      for (const slug of shown) {
        const bytes = steps[i].kinds.get(slug) || 0;
        if (!bytes) continue;
        const h = bytes / peak * (height - 14);
        pen.fillStyle = VM.kind(slug)[2];
        pen.fillRect(left, y - h, Math.max(1, right - left + 0.5), h + 0.3);
        y -= h;
      }
    }
    drawLanes(pen, width, height);
    pen.fillStyle = VM.style("--faint");
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "left";
    pen.fillText(steps.length ? "peak at a page checkpoint " + VM.bytes(peak) : "no page checkpoint in this recording", 6, 12);
    pen.textAlign = "right";
    pen.fillText(VM.time(VM.state.from) + " … " + VM.time(VM.state.to), width - 6, 12);
    drawOver();
  };

  const drawLanes = (pen, width, top) => {
    const density = overview.density;
    const lanes = [["calls", density.calls], ["faults", density.faults]];
    lanes.forEach(([name, counts], lane) => {
      const most = counts.reduce((a, b) => Math.max(a, b), 1);
      const y = top + lane * LANE;
      pen.fillStyle = VM.style("--accent");
      counts.forEach((count, i) => {
        if (!count) return;
        const left = x(i * density.bucket_ns);
        const right = x((i + 1) * density.bucket_ns);
        if (right < 0 || left > width) return;
        const h = Math.max(1.5, Math.log1p(count) / Math.log1p(most) * (LANE - 3));
        pen.fillRect(left, y + LANE - h, Math.max(1, right - left - 0.3), h);
      });
      pen.fillStyle = VM.style("--fg");
      pen.font = "10px system-ui, sans-serif";
      pen.textAlign = "left";
      pen.fillText(name, 4, y + LANE - 4);
    });
  };

  // The cursor, the marks and the selected span.
  VM.drawCursor = (pen, width, height) => {
    const at = (time) => (time - VM.state.from) / (VM.state.to - VM.state.from) * width;
    pen.clearRect(0, 0, width, height);
    const { span, marks, now } = VM.state;
    if (span) {
      pen.fillStyle = VM.style("--select");
      pen.fillRect(at(span[0]), 0, at(span[1]) - at(span[0]), height);
    }
    marks.forEach((mark, i) => {
      pen.fillStyle = VM.style("--accent");
      pen.fillRect(at(mark) - 0.5, 0, 1, height);
      pen.font = "bold 11px system-ui, sans-serif";
      pen.fillText("AB"[i], at(mark) + 3, height - 4);
    });
    pen.fillStyle = VM.style("--cursor");
    pen.fillRect(at(now) - 0.75, 0, 1.5, height);
  };

  const drawOver = () => VM.drawCursor(canvases.over.getContext("2d"), canvases.width(), canvases.height());

  const legend = () => {
    const used = new Set(steps.flatMap((step) => [...step.kinds.keys()]));
    for (const rect of VM.rects || []) used.add(rect.kind);
    const host = VM.$("legend");
    host.replaceChildren(...order.filter((slug) => used.has(slug)).map((slug) => VM.el("button", {
      type: "button", "aria-pressed": String(!VM.state.hidden.has(slug)), "data-kind": slug,
      onclick: () => {
        const hidden = new Set(VM.state.hidden);
        if (hidden.has(slug)) hidden.delete(slug); else hidden.add(slug);
        VM.set({ hidden });
      },
    }, VM.swatch(slug), VM.kind(slug)[0])));
  };
  VM.drawLegend = legend;

  VM.startTimeline = (loaded) => {
    overview = loaded;
    const host = VM.$("timeline");
    if (!canvases) {
      canvases = VM.canvases(host);
      let begun = null;
      const timeOf = (event) => VM.timeAt(event.clientX - host.getBoundingClientRect().left, canvases.width());
      host.addEventListener("pointerdown", (event) => {
        begun = { x: event.clientX, time: timeOf(event) };
        host.setPointerCapture(event.pointerId);
        VM.set({ now: begun.time, span: null });
      });
      host.addEventListener("pointermove", (event) => {
        if (!begun) return;
        const time = Math.min(Math.max(timeOf(event), 0), overview.duration_ns);
        if (event.shiftKey || Math.abs(event.clientX - begun.x) < 4) VM.set({ now: time });
        else VM.set({ span: [Math.min(begun.time, time), Math.max(begun.time, time)], now: time });
      });
      host.addEventListener("pointerup", () => { begun = null; });
      host.addEventListener("wheel", VM.wheel, { passive: false });
      VM.on(["from", "to", "hidden", "redraw"], draw);
      VM.on(["now", "span", "marks"], drawOver);
      VM.on(["hidden"], legend);
      window.addEventListener("resize", draw);
    }
    prepare();
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
