import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { childEnvironment } from '@weir/local-stack'

/** Packages from PyPI in a temporary folder. */
export interface PythonPackages {
  /**
   * Runs a script in which `given` is the input. Returns what the script assigns to `result`. Both are JSON. Throws if
   * the script fails.
   */
  run(script: string, given: unknown): unknown
  /** Says why scripts cannot run, such as no network; undefined where they can. */
  readonly unavailable: string | undefined
  remove(): void
}

/** Installs `name==version`s. `modules` are what the scripts import. */
export const installPython = (packages: readonly string[], modules: readonly string[]): PythonPackages => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-python-'))
  const env = childEnvironment({ PYTHONPATH: folder }, true)
  spawnSync('python3', ['-m', 'pip', 'install', '--quiet', '--target', folder, ...packages])
  // The packages may be installed on this machine even if pip has no network.
  const { status } = spawnSync('python3', ['-c', `import ${modules.join(', ')}`], { env })
  return {
    run: (script, given) => {
      const program = `import json, sys\ngiven = json.load(sys.stdin)\n${script}\nprint(json.dumps(result))`
      const input = JSON.stringify(given)
      return JSON.parse(execFileSync('python3', ['-c', program], { input, encoding: 'utf8', env })) as unknown
    },
    unavailable:
      status === 0
        ? undefined
        : status === null
          ? 'python3 does not run'
          : `pip cannot install ${packages.join(', ')}`,
    remove: () => rmSync(folder, { recursive: true }),
  }
}
