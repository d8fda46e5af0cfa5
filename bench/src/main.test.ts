import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const bench = (...args: string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], { encoding: 'utf8' })

it.each(['dedup', 'ingress', 'latency', 'normalize', 'restore'])('%s --help prints its options', (name) => {
  const { status, stdout, stderr } = bench(name, '--help')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toContain(`npm run bench -- ${name} [options]`)
  expect(stdout).toContain('--json')
})

it.each([[['normalize', '--nonsense']], [['normalize', '--events', 'many']], [['nonsense']], [[]]])(
  '%j ends with exit code 2 and the usage',
  (args) => {
    const { status, stdout, stderr } = bench(...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain('npm run bench --')
    expect(stderr).not.toContain('    at ')
  },
)
