/**
 * Colour maps built in OKLab (B. Ottosson, "A perceptual color space for image processing", 2020), so that equal steps
 * of a value are equal steps of lightness. Pure functions; the theme picks among them.
 */

export type Rgb = readonly [red: number, green: number, blue: number];

/** Entries of a colour map. */
export const MAP_SIZE = 256;

/** Linear-light sRGB of an OKLab colour; components may lie outside 0…1 when the colour is out of gamut. */
function linearFromOklab(lightness: number, a: number, b: number): [number, number, number] {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

function encode(linear: number): number {
  const clamped = Math.min(1, Math.max(0, linear));
  const encoded = clamped <= 0.0031308 ? 12.92 * clamped : 1.055 * clamped ** (1 / 2.4) - 0.055;
  return Math.round(255 * encoded);
}

function decode(byte: number): number {
  const value = byte / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** OKLab coordinates of an sRGB colour with components 0…255. */
function oklab([red, green, blue]: Rgb): [lightness: number, a: number, b: number] {
  const r = decode(red), g = decode(green), b = decode(blue);
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** OKLab lightness of an sRGB colour with components 0…255. */
export function lightness(colour: Rgb): number {
  return oklab(colour)[0];
}

/** Relative luminance, WCAG 2.2. */
function luminance([red, green, blue]: Rgb): number {
  return 0.2126 * decode(red) + 0.7152 * decode(green) + 0.0722 * decode(blue);
}

/** Contrast ratio of two colours, 1…21 (WCAG 2.2). */
export function contrast(one: Rgb, other: Rgb): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** What WCAG 2.2 (1.4.11) asks of lines and symbols. */
const LEAST_CONTRAST = 3;

/** `colour`, moved away from the background's lightness as far as a line on it needs to be seen; hue and chroma stay where the gamut allows. */
export function legible(colour: Rgb, background: Rgb): Rgb {
  if (contrast(colour, background) >= LEAST_CONTRAST) return colour;
  const [start, a, b] = oklab(colour);
  const end = luminance(background) < 0.18 ? 1 : 0;
  for (let step = 1; step < 64; step++) {
    const moved = oklch(start + ((end - start) * step) / 64, Math.hypot(a, b), (Math.atan2(b, a) * 180) / Math.PI);
    if (contrast(moved, background) >= LEAST_CONTRAST) return moved;
  }
  return end === 1 ? [255, 255, 255] : [0, 0, 0];
}

/** The sRGB colour of that lightness (0…1) and hue (degrees), with as much of `chroma` as the gamut holds. */
export function oklch(light: number, chroma: number, hue: number): Rgb {
  const cos = Math.cos((hue * Math.PI) / 180);
  const sin = Math.sin((hue * Math.PI) / 180);
  const inGamut = (c: number): boolean => linearFromOklab(light, c * cos, c * sin).every((v) => v >= -1e-4 && v <= 1 + 1e-4);
  let low = 0;
  let high = chroma;
  if (inGamut(chroma)) low = chroma;
  else for (let i = 0; i < 20; i++) inGamut((low + high) / 2) ? (low = (low + high) / 2) : (high = (low + high) / 2);
  const [r, g, b] = linearFromOklab(light, low * cos, low * sin);
  return [encode(r), encode(g), encode(b)];
}

/** `MAP_SIZE` RGB triples in one array. */
export type ColourMap = Uint8Array;

function build(colour: (t: number) => Rgb): ColourMap {
  const map = new Uint8Array(3 * MAP_SIZE);
  for (let i = 0; i < MAP_SIZE; i++) map.set(colour(i / (MAP_SIZE - 1)), 3 * i);
  return map;
}

/** Where a map starts: the side of the lightness scale that the page's background lies on, black or white in high contrast. */
export interface Ground {
  dark: boolean;
  highContrast: boolean;
}

/** For magnitudes: from the background's lightness away from it, evenly; violet through red to yellow or back. */
export function sequential({ dark, highContrast }: Ground): ColourMap {
  const from = dark ? (highContrast ? 0.1 : 0.22) : highContrast ? 1 : 0.97;
  const to = dark ? 0.94 : 0.24;
  return build((t) => oklch(from + (to - from) * t, 0.04 + 0.14 * Math.sin(Math.PI * (0.1 + 0.8 * t)), dark ? 285 + 180 * t : 105 - 180 * t));
}

/** For signed values: blue below the middle, orange above, equal lightness at equal distance from it. */
export function diverging({ dark, highContrast }: Ground): ColourMap {
  const middle = dark ? (highContrast ? 0 : 0.24) : highContrast ? 1 : 0.97;
  const end = dark ? 0.84 : 0.4;
  return build((t) => {
    const distance = Math.abs(2 * t - 1);
    return oklch(middle + (end - middle) * distance, 0.17 * Math.sqrt(distance), t < 0.5 ? 250 : 55);
  });
}

/** Index of the map's entry for `t` in 0…1, clamped. */
export function entry(t: number): number {
  return t <= 0 ? 0 : t >= 1 ? MAP_SIZE - 1 : Math.round(t * (MAP_SIZE - 1));
}

/** CSS colour of an entry. */
export function css(map: ColourMap, index: number): string {
  return `rgb(${map[3 * index]!},${map[3 * index + 1]!},${map[3 * index + 2]!})`;
}
