// Where things live that are fetched once and outlast a checkout.
import os from "node:os";
import path from "node:path";

/**
 * A folder of ours in the user's cache (`$XDG_CACHE_HOME` or `~/.cache`); not created here.
 * @param {string} name
 */
export function cacheFolder(name) {
  const base = process.env.XDG_CACHE_HOME;
  const home = process.env.HOME || os.homedir();
  return path.join(base && path.isAbsolute(base) ? base : path.join(home, ".cache"), "weight-loupe", name);
}
