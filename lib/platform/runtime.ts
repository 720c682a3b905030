/** Which JavaScript runtime this is. */

interface Versions {
  readonly [name: string]: string | undefined;
}

/** Name and version such as `node/24.1.0`, `bun/1.4.5`, `deno/2.9.6`; `unknown` where neither can be told. */
export function runtimeName(): string {
  const versions: Versions = typeof process === 'object' ? (process.versions ?? {}) : {};
  // Bun and Deno give a node version too.
  for (const name of ['bun', 'deno', 'node']) {
    const version = versions[name];
    if (version !== undefined) return `${name}/${version}`;
  }
  return 'unknown';
}
