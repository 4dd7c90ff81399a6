// The bands as columns of numbers, and how they are painted: what is drawn every frame looks at nothing else.
"use strict";

(() => {
  const slugs = Object.keys(VM.kinds);

  // Columns of the rectangles, on a scale of heights from 0 to 1. The largest come first, so that small ones are
  // painted above them.
  VM.bandsOf = (all, scale) => {
    const height = (rect) => scale.heightOf(rect.start + rect.size) - scale.heightOf(rect.start);
    const area = new Map(all.map((rect) => [rect, height(rect) * (rect.to_ns - rect.from_ns)]));
    const rects = [...all].sort((a, b) => area.get(b) - area.get(a));
    const n = rects.length;
    const number = () => new Float64Array(n);
    const bands = { n, rects, start: number(), end: number(), from: number(), to: number(), low: number(), high: number(),
      kind: new Uint8Array(n), hidden: new Uint8Array(n), faded: new Uint8Array(n), first: new Uint32Array(n + 1) };
    let steps = 0;
    rects.forEach((rect, i) => {
      bands.start[i] = rect.start;
      bands.end[i] = rect.start + rect.size;
      bands.from[i] = rect.from_ns;
      bands.to[i] = rect.to_ns;
      bands.low[i] = scale.heightOf(rect.start) / scale.total;
      bands.high[i] = scale.heightOf(rect.start + rect.size) / scale.total;
      bands.kind[i] = Math.max(0, slugs.indexOf(rect.kind));
      bands.first[i] = steps;
      steps += rect.resident.length;
    });
    bands.first[n] = steps;
    // Where resident amounts change: the moment, and the parts resident and of pages of its own.
    Object.assign(bands, { at: new Float64Array(steps), part: new Float32Array(steps), own: new Float32Array(steps) });
    rects.forEach((rect, i) => rect.resident.forEach(([time, bytes, own], j) => {
      const k = bands.first[i] + j;
      bands.at[k] = time;
      bands.part[k] = Math.min(1, bytes / rect.size);
      bands.own[k] = Math.min(1, own / rect.size);
    }));
    bands.byAddress = Uint32Array.from({ length: n }, (_, i) => i).sort((a, b) => bands.start[b] - bands.start[a]);
    return bands;
  };

  // Which bands are hidden, and which fade because the search does not find them.
  VM.chooseBands = (bands) => {
    for (let i = 0; i < bands.n; i++) {
      bands.hidden[i] = VM.state.hidden.has(bands.rects[i].kind) ? 1 : 0;
      bands.faded[i] = VM.matches(bands.rects[i]) ? 0 : 1;
    }
  };

  VM.livesAt = (bands, i, time) => bands.from[i] <= time && (time < bands.to[i] || bands.to[i] === VM.duration);

  // A picture to be painted of a view of time and heights.
  VM.beginBands = ({ from, to, low, high }) => ({ view: { from, to, low, high }, next: 0, boxes: [] });

  // Goes on painting until all is painted (true) or the time is over; `boxes` gets those with room for a label.
  VM.paintBands = (px, bands, job, deadline) => {
    const { view, boxes } = job;
    const { width, height } = px;
    const ink = VM.palette();
    const tones = slugs.map((slug) => ink.kinds.get(slug));
    const isHatched = slugs.map((slug) => slug === "reservation" || slug === "stack_guard");
    const kx = width / (view.to - view.from);
    const ky = height / (view.high - view.low);
    const { from, to, low, high, hidden, faded, kind, n } = bands;
    for (let i = job.next; i < n; i++) {
      if ((i & 511) === 511 && performance.now() > deadline) {
        job.next = i;
        return false;
      }
      if (hidden[i] || to[i] < view.from || from[i] > view.to || high[i] < view.low || low[i] > view.high) continue;
      const left = Math.round((from[i] - view.from) * kx);
      const right = Math.max(left + 1, Math.round((to[i] - view.from) * kx));
      const bottom = Math.round((view.high - low[i]) * ky);
      const top = Math.min(bottom - 1, Math.round((view.high - high[i]) * ky));
      const l = left < 0 ? 0 : left;
      const r = right > width ? width : right;
      const t = top < 0 ? 0 : top;
      const b = bottom > height ? height : bottom;
      if (l >= r || t >= b) continue;
      const tone = faded[i] ? tones[kind[i]].faded : tones[kind[i]].plain;
      if (isHatched[kind[i]]) {
        px.hatched(l, t, r, b, tone[2], tone[3]);
      } else {
        px.box(l, t, r, b, tone[2]);
        paintResident(px, bands, i, { l, r, t, b, bottom, tall: bottom - top, kx, from: view.from }, tone);
      }
      if (right - left > 3 && bottom - top > 4) {
        if (top >= 0) px.box(l, t, r, t + 1, tone[0]);
        if (left >= 0) px.box(l, t, l + 1, b, tone[0]);
      }
      if (b - t > 12 && r - l > 44 && boxes.length < 500) boxes.push(i);
    }
    return true;
  };

  // From the bottom: pages of its own in the full colour, those of files above it, step by step.
  const paintResident = (px, bands, i, box, tone) => {
    const end = bands.first[i + 1];
    for (let j = bands.first[i]; j < end; j++) {
      if (!bands.part[j]) continue;
      const until = j + 1 < end ? bands.at[j + 1] : bands.to[i];
      const left = Math.max(box.l, Math.round((bands.at[j] - box.from) * box.kx));
      const right = Math.min(box.r, Math.max(left + 1, Math.round((until - box.from) * box.kx)));
      if (left >= right) continue;
      const filled = Math.max(1, Math.round(box.tall * bands.part[j]));
      const own = bands.own[j] ? Math.max(1, Math.round(box.tall * bands.own[j])) : 0;
      const clamp = (y) => Math.min(box.b, Math.max(box.t, y));
      if (filled > own) px.box(left, clamp(box.bottom - filled), right, clamp(box.bottom - own), tone[1]);
      if (own) px.box(left, clamp(box.bottom - own), right, clamp(box.bottom), tone[0]);
    }
  };
})();
