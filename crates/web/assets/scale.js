// Addresses to heights: what was ever mapped gets room by the logarithm of its size, gaps a fixed little.
"use strict";

(() => {
  const GAP = 6;

  // The bands between all starts and ends, each with its height; `total` is the height of all.
  VM.addressScale = (rects) => {
    const edges = new Set();
    for (const rect of rects) {
      edges.add(rect.start);
      edges.add(rect.start + rect.size);
    }
    const at = Float64Array.from(edges).sort();
    const covered = new Uint8Array(Math.max(0, at.length - 1));
    const index = new Map();
    at.forEach((edge, i) => index.set(edge, i));
    // Differences, summed up afterwards: a rectangle covers the bands from its start to its end.
    const delta = new Int32Array(at.length + 1);
    for (const rect of rects) {
      delta[index.get(rect.start)]++;
      delta[index.get(rect.start + rect.size)]--;
    }
    const top = new Float64Array(at.length);
    let depth = 0;
    let total = 0;
    for (let i = 0; i < at.length; i++) {
      top[i] = total;
      depth += delta[i];
      if (i + 1 < at.length) {
        covered[i] = depth > 0 ? 1 : 0;
        total += covered[i] ? Math.log2((at[i + 1] - at[i]) / 4096 + 1) + 1 : GAP;
      }
    }
    const find = (list, value) => {
      let low = 0;
      let high = list.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (list[middle] <= value) low = middle; else high = middle - 1;
      }
      return low;
    };
    const gaps = [];
    for (let i = 0; i < covered.length; i++) {
      if (!covered[i]) gaps.push({ start: at[i], size: at[i + 1] - at[i], top: top[i], height: top[i + 1] - top[i] });
    }
    return {
      total: total || 1,
      gaps,
      low: at.length ? at[0] : 0,
      high: at.length ? at[at.length - 1] : 1,
      // Height above the lowest address, in the scale's own units.
      heightOf(address) {
        if (!at.length) return 0;
        const i = find(at, address);
        if (i + 1 >= at.length) return total;
        return top[i] + (top[i + 1] - top[i]) * Math.min(1, Math.max(0, (address - at[i]) / (at[i + 1] - at[i])));
      },
      addressAt(height) {
        if (at.length < 2) return 0;
        const i = Math.min(find(top, height), at.length - 2);
        const part = (height - top[i]) / (top[i + 1] - top[i] || 1);
        return Math.floor(at[i] + (at[i + 1] - at[i]) * Math.min(0.999999, Math.max(0, part)));
      },
    };
  };
})();
