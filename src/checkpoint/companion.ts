/** Files that a checkpoint names beside itself: they must lie in its folder. */
import { dirname, join, sep } from "node:path";
import { CheckpointError, type SourceOpener } from "./checkpoint";
import { quote } from "./quote";

/**
 * The path of the file that `file` calls `location`.
 * @param what is named, for the message: `"the external data"`.
 * @throws CheckpointError `"malformed"` when it leaves the folder, by its name or by a symbolic link.
 */
export async function companionPath(file: string, location: string, what: string, sources: SourceOpener): Promise<string> {
  const refuse = (why: string): never => {
    throw new CheckpointError("malformed", `the file ${quote(location)} of ${what} ${why}`, file, { key: location });
  };
  if (location === "") refuse("has no name");
  if (location.includes("\0")) refuse("has a NUL character in its name");
  if (location.startsWith("/") || /^[a-z]:/i.test(location)) refuse("is named by an absolute path; it must lie in the model's folder");
  if (location.includes("\\")) refuse("has a backslash in its name; paths have forward slashes");
  if (location.split("/").includes("..")) refuse("lies outside of the model's folder");
  const folder = dirname(file);
  const path = join(folder, location);
  if (!(await sources.exists(path))) return path;
  // The second is where a link farm keeps its files: the Hugging Face cache's `blobs`.
  const roots = [await sources.realPath(folder), dirname(await sources.realPath(file))];
  const real = await sources.realPath(path);
  if (!roots.some((root) => real.startsWith(root.endsWith(sep) ? root : root + sep))) refuse("is a symbolic link that leaves the model's folder");
  return path;
}
