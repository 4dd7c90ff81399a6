// Pictures of many small boxes: pixels are set one by one, which costs by the area, not by the number of boxes.
"use strict";

(() => {
  const parse = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  // As the pixels lie in memory.
  const pack = ([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0;
  const mix = (a, b, part) => a.map((value, i) => Math.round(value * part + b[i] * (1 - part)));

  // Black or white, whichever is read better on a colour.
  VM.inkOn = (colour) => {
    const [r, g, b] = parse(colour).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#10141a" : "#ffffff";
  };

  // The colours of the theme, and for each kind: solid, of a file, not resident; each plain and faded.
  let palette = null;
  VM.palette = () => {
    if (palette) return palette;
    const style = getComputedStyle(document.documentElement);
    const value = (name) => style.getPropertyValue(name).trim();
    const ground = parse(value("--bg"));
    const kinds = new Map();
    for (const [slug, [, , colour]] of Object.entries(VM.kinds)) {
      const own = parse(colour);
      const tones = [1, 0.68, 0.24, 0.45].map((part) => mix(own, ground, part));
      kinds.set(slug, { plain: tones.map(pack), faded: tones.map((tone) => pack(mix(tone, ground, 0.18))) });
    }
    palette = { kinds, accent: pack(parse(value("--accent"))), lane: pack(mix(parse(value("--accent")), ground, 0.35)) };
    for (const name of ["bg", "fg", "faint", "line", "accent", "cursor", "select"]) palette["css_" + name] = value("--" + name);
    return palette;
  };
  VM.forgetPalette = () => { palette = null; };

  // The pixels of a canvas: `begin` empties them, `box` fills, `end` shows them.
  VM.pixels = (canvas) => {
    let image = null;
    let cells = null;
    const self = {
      width: 0, height: 0,
      begin() {
        if (!image || image.width !== canvas.width || image.height !== canvas.height) {
          image = new ImageData(canvas.width, canvas.height);
          cells = new Uint32Array(image.data.buffer);
          [self.width, self.height] = [image.width, image.height];
        } else {
          cells.fill(0);
        }
      },
      // Whole pixels, inside the canvas.
      box(left, top, right, bottom, colour) {
        const width = self.width;
        if (right - left > 12) {
          for (let y = top; y < bottom; y++) cells.fill(colour, y * width + left, y * width + right);
        } else {
          for (let y = top; y < bottom; y++) for (let at = y * width + left, end = y * width + right; at < end; at++) cells[at] = colour;
        }
      },
      hatched(left, top, right, bottom, ground, colour) {
        self.box(left, top, right, bottom, ground);
        for (let y = top; y < bottom; y++) {
          for (let x = left + (6 - (left + y) % 6) % 6; x < right; x += 6) cells[y * self.width + x] = colour;
        }
      },
      // Whether the canvas still has the size of these pixels.
      fits: () => Boolean(image) && image.width === canvas.width && image.height === canvas.height,
      end(pen) { pen.putImageData(image, 0, 0); },
    };
    return self;
  };

  // Text that is read on any ground.
  VM.label = (pen, text, x, y, colour) => {
    const ink = VM.palette();
    pen.lineWidth = 3;
    pen.lineJoin = "round";
    pen.strokeStyle = ink.css_bg;
    pen.strokeText(text, x, y);
    pen.fillStyle = colour || ink.css_fg;
    pen.fillText(text, x, y);
  };

  // Round moments of a stretch of time, about so many, with their words.
  VM.ticks = (from, to, count) => {
    const rough = (to - from) / Math.max(1, count);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) || rough;
    const [unit, word] = to >= 2e9 || step >= 1e9 ? [1e9, " s"] : to >= 2e6 || step >= 1e6 ? [1e6, " ms"] : [1e3, " µs"];
    const digits = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
    const list = [];
    for (let at = Math.ceil(from / step) * step; at <= to && list.length < 100; at += step) {
      list.push([at, (at / unit).toFixed(Math.min(9, digits)) + word]);
    }
    return list;
  };
})();
