"use strict";

/** The bytes of one of the page's blocks of data. */
function bytes(name) {
  const binary = atob(document.getElementById(`data-${name}`).textContent);
  const array = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) array[i] = binary.charCodeAt(i);
  return array.buffer;
}

/** A series at several resolutions; levels.py packs it and documents the format. */
class Series {
  constructor(name, levels, packing, log = false) {
    Object.assign(this, { name, description: levels, packing, log });
  }

  get levels() {
    return (this.decoded ??= this.decode());
  }

  decode() {
    const data = bytes(this.name);
    const lengths = this.description.flatMap(({ bucket, count }) => (bucket === 1 ? [count] : [count, count]));
    const blocks = lengths.map((length) => Math.ceil(length / this.packing.block));
    let scale = 0;
    let code = 16 * blocks.reduce((sum, count) => sum + count, 0);
    const arrays = lengths.map((length, index) => {
      const scales = new Float64Array(data, scale, 2 * blocks[index]);
      const codes = new Uint16Array(data, code, length);
      scale += 16 * blocks[index];
      code += 2 * length;
      return this.numbers(codes, scales);
    });
    return this.description.map((level) => {
      const low = arrays.shift();
      return { ...level, low, high: level.bucket === 1 ? low : arrays.shift() };
    });
  }

  numbers(codes, scales) {
    const numbers = new Float64Array(codes.length);
    for (let i = 0; i < codes.length; i++) {
      const block = 2 * Math.floor(i / this.packing.block);
      const number = scales[block] + scales[block + 1] * codes[i];
      numbers[i] = codes[i] === this.packing.missing ? NaN : this.log ? 10 ** number : number;
    }
    return numbers;
  }

  /** Minima and maxima of the rows from `first` to `last`, in at most about `count` columns and one on each side. */
  columns(first, last, count) {
    const rows = last - first + 1;
    const holds = (level) => level.first <= first && last < level.first + level.count * level.bucket;
    const levels = this.levels.filter(holds); // from fine to coarse
    const level = levels.find(({ bucket }) => rows <= this.packing.factor * count * bucket) ?? levels.at(-1);
    const merged = Math.max(1, Math.ceil(rows / level.bucket / count));
    const size = merged * level.bucket;
    const begin = Math.max(0, Math.floor((first - level.first) / size) - 1);
    const end = Math.min(Math.ceil(level.count / merged), Math.floor((last - level.first) / size) + 2);
    const low = new Float64Array(end - begin).fill(NaN);
    const high = new Float64Array(end - begin).fill(NaN);
    for (let column = begin; column < end; column++) {
      const stop = Math.min(level.count, (column + 1) * merged);
      for (let i = column * merged; i < stop; i++) {
        if (!(low[column - begin] <= level.low[i])) low[column - begin] = level.low[i];
        if (!(high[column - begin] >= level.high[i])) high[column - begin] = level.high[i];
      }
    }
    return { size, row: level.first + begin * size, low, high };
  }

  /** Lowest and highest value of the finest bucket that a row is in. */
  at(row) {
    const level = this.levels.find(({ first, count, bucket }) => first <= row && row < first + count * bucket);
    const bucket = Math.floor((row - level.first) / level.bucket);
    return [level.low[bucket], level.high[bucket]];
  }
}

/** First and last rows of stretches, in order. */
function stretches(name) {
  const ends = new Uint32Array(bytes(name));
  return { starts: ends.subarray(0, ends.length / 2), ends: ends.subarray(ends.length / 2) };
}
