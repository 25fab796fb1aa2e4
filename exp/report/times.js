"use strict";

/** The positions of rows on the axis, and their exact times; times.py packs them and documents the format. */
class Times {
  constructor(description, n, packing, bytes) {
    Object.assign(this, description, { n });
    this.exact = this.start !== undefined;
    for (const name of ["start", "origin", "step", "unit"]) if (this[name] !== undefined) this[name] = BigInt(this[name]);
    if (!this.width) return;
    if (this.exact) this.unpackTicks(bytes("times"));
    else this.kept = new Float64Array(bytes("times"));
    // No line is drawn over a long stretch without rows.
    const long = packing.gap * this.pace * this.stride;
    this.gaps = [];
    for (let i = 1; i < this.count; i++) {
      const length = this.kept[i] - this.kept[i - 1];
      if (length > long) this.gaps.push({ before: this.keptRow(i - 1), row: this.keptRow(i), length });
    }
  }

  unpackTicks(data) {
    const divisor = 10 ** (this.kind === "time" ? this.digits - 3 : this.digits);
    if (this.width === 8) {
      const ticks = new BigInt64Array(data);
      this.keptTick = (index) => ticks[index];
      this.kept = Float64Array.from(ticks, (tick) => Number(tick - this.origin) / divisor);
      return;
    }
    // Floats hold the units since the start exactly, and are a hundred times faster than big integers.
    const steps = new Float64Array(this.width === 2 ? new Uint16Array(data) : new Uint32Array(data));
    for (const [index, step] of this.exceptions) steps[index] = step;
    const units = new Float64Array(this.count);
    for (let i = 1; i < this.count; i++) units[i] = units[i - 1] + steps[i - 1];
    const [begin, unit] = [Number(this.start - this.origin), Number(this.unit)];
    this.keptTick = (index) => this.start + this.unit * BigInt(units[index]);
    this.kept = units.map((count) => (begin + unit * count) / divisor);
  }

  keptRow(index) {
    return index === this.count - 1 ? this.n - 1 : index * this.stride;
  }

  x(row) {
    if (!this.kept) return this.first + this.pace * row;
    const index = Math.min(Math.max(Math.floor(row / this.stride), 0), this.count - 2);
    const share = (row - this.keptRow(index)) / (this.keptRow(index + 1) - this.keptRow(index));
    return this.kept[index] + Math.min(Math.max(share, 0), 1) * (this.kept[index + 1] - this.kept[index]);
  }

  row(x) {
    if (!this.kept) return (x - this.first) / this.pace;
    let [low, high] = [0, this.count - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.kept[middle] <= x) low = middle;
      else high = middle;
    }
    const share = (x - this.kept[low]) / (this.kept[high] - this.kept[low] || 1);
    return this.keptRow(low) + Math.min(Math.max(share, 0), 1) * (this.keptRow(high) - this.keptRow(low));
  }

  /** The time of a row in full digits; approximate for a row that is not kept. */
  text(row) {
    if (this.kind === "row") return "";
    const zone = this.zone ? ` ${this.zone}` : "";
    if (!this.kept) return `${this.exact ? this.name(this.start + this.step * BigInt(row)) : this.float(this.x(row))}${zone} · `;
    const index = row === this.n - 1 ? this.count - 1 : Math.floor(row / this.stride);
    const about = this.keptRow(index) === row ? "" : "about ";
    if (this.exact) return `${about}${this.name(about ? this.tick(this.x(row)) : this.keptTick(index))}${zone} · `;
    return `${about}${about ? this.float(this.x(row)) : this.signed(String(this.kept[index]))} · `;
  }

  /** The tick at a position on the axis. */
  tick(x) {
    const digits = this.kind === "time" ? this.digits - 3 : this.digits;
    return this.origin + BigInt(Math.round(x * 10 ** digits));
  }

  /** Write a tick, rounded to some decimals or with those that it needs. */
  name(tick, decimals = null) {
    if (decimals !== null && decimals < this.digits) tick = this.rounded(tick, 10n ** BigInt(this.digits - decimals));
    const unit = 10n ** BigInt(this.digits);
    const below = tick < 0n && tick % unit !== 0n ? 1n : 0n;
    const isTime = this.kind === "time";
    const size = tick < 0n && !isTime ? -tick : tick;
    const whole = isTime ? tick / unit - below : size / unit;
    let fraction = this.digits ? String(size - whole * unit).padStart(this.digits, "0") : "";
    if (decimals !== null) fraction = fraction.slice(0, decimals);
    else fraction = fraction.replace(isTime ? /(000)+$/ : /0+$/, "");
    const end = fraction && `.${fraction}`;
    if (!isTime) return (tick < 0n ? "−" : "") + whole + end;
    return new Date(1000 * Number(whole)).toISOString().replace("T", " ").replace(/\.000Z$/, "") + end;
  }

  rounded(tick, unit) {
    const lifted = tick + unit / 2n;
    return lifted - (((lifted % unit) + unit) % unit);
  }

  float(x) {
    return this.signed(String(Number(x.toPrecision(15))));
  }

  signed(text) {
    return text.startsWith("-") ? `−${text.slice(1)}` : text;
  }

  /** Let an axis label its ticks with as many digits as are needed to tell them apart. */
  label(formatter) {
    const usual = formatter.doFormat.bind(formatter);
    const isTime = this.kind === "time";
    formatter.doFormat = (places, options) => {
      const spacing = places.length > 1 ? Math.abs(places[1] - places[0]) : Infinity;
      if (this.kind === "row" || (isTime && this.origin === 0n && spacing >= 1000)) return usual(places, options);
      const decimals = Math.max(0, Math.ceil(-Math.log10(isTime ? spacing / 1000 : spacing) - 1e-9));
      if (isTime) return places.map((place) => this.name(this.tick(place), Math.min(decimals, this.digits)).slice(11));
      if (!this.exact || this.origin === 0n) {
        const written = (place) => (decimals > 12 || Math.abs(place) >= 1e21 ? this.float(place) : place.toFixed(decimals));
        return places.map((place) => this.signed(written(place)));
      }
      return places.map((place) => this.name(this.tick(place), Math.min(decimals, this.digits)));
    };
  }
}
