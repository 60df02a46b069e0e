import assert from "node:assert/strict";
import fc from "fast-check";
import { contrast, diverging, legible, lightness, MAP_SIZE, oklch, sequential, type ColourMap, type Rgb } from "../../../webview/plots/colour";

const grounds = [true, false].flatMap((dark) => [true, false].map((highContrast) => ({ dark, highContrast })));
const at = (map: ColourMap, i: number): Rgb => [map[3 * i]!, map[3 * i + 1]!, map[3 * i + 2]!];
const lights = (map: ColourMap): number[] => Array.from({ length: MAP_SIZE }, (_, i) => lightness(at(map, i)));

describe("colour maps", () => {
  it("measures lightness as OKLab's author gives it for the sRGB primaries", () => {
    for (const [colour, expected] of [[[255, 255, 255], 1], [[0, 0, 0], 0], [[255, 0, 0], 0.62796], [[0, 255, 0], 0.86644], [[0, 0, 255], 0.45201]] as const) {
      assert.ok(Math.abs(lightness(colour) - expected) < 1e-4, `${colour.join()}: ${lightness(colour)}`);
    }
  });

  it("makes colours of the lightness asked for, whatever chroma the gamut holds", () => {
    for (let hue = 0; hue < 360; hue += 15) for (const light of [0.25, 0.5, 0.75]) assert.ok(Math.abs(lightness(oklch(light, 0.3, hue)) - light) < 0.01);
  });

  it("measures contrast as WCAG does", () => {
    assert.equal(contrast([0, 0, 0], [255, 255, 255]), 21);
    // The grey that WCAG's own examples call the lightest with 4.5 : 1 on white.
    assert.ok(Math.abs(contrast([118, 118, 118], [255, 255, 255]) - 4.54) < 0.01);
  });

  it("moves a theme's colour only where a line of it would not be seen", () => {
    const component = fc.nat(255);
    const colour = fc.tuple(component, component, component);
    fc.assert(fc.property(colour, colour, (line, background) => {
      const moved = legible(line, background);
      assert.ok(contrast(moved, background) >= 3);
      if (contrast(line, background) >= 3) assert.deepEqual(moved, line);
    }));
  });

  for (const ground of grounds) {
    const name = `${ground.dark ? "dark" : "light"}${ground.highContrast ? ", high contrast" : ""}`;
    it(`for magnitudes runs away from the background in equal steps of lightness (${name})`, () => {
      const light = lights(sequential(ground));
      const span = light.at(-1)! - light[0]!;
      assert.equal(span > 0, ground.dark);
      assert.ok(Math.abs(span) > 0.6);
      for (let i = 8; i < MAP_SIZE; i += 8) {
        const step = (light[i]! - light[i - 8]!) / ((8 * span) / (MAP_SIZE - 1));
        assert.ok(step > 0.6 && step < 1.4, `entry ${i}: ${step} of an equal step`);
      }
    });

    it(`for signed values is equally light at equal distances from 0 (${name})`, () => {
      const light = lights(diverging(ground));
      // One step of 8 bits near black is a large one in lightness.
      for (let i = 0; i < MAP_SIZE / 2; i++) assert.ok(Math.abs(light[i]! - light[MAP_SIZE - 1 - i]!) < (light[i]! < 0.2 ? 0.08 : 0.015), `entry ${i}`);
      const half = light.slice(MAP_SIZE / 2);
      const span = half.at(-1)! - half[0]!;
      assert.equal(span > 0, ground.dark);
      for (let i = 8; i < half.length; i += 8) assert.equal(Math.sign(half[i]! - half[i - 8]!), Math.sign(span), `entry ${i}`);
      assert.notDeepEqual(at(diverging(ground), 0), at(diverging(ground), MAP_SIZE - 1));
    });
  }
});
