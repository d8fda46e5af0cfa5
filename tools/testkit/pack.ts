// Packs @weir/testkit for another project: `npm run testkit:pack` makes .weir/packed/weir-testkit.tgz, compiled
// and with its types, because Node strips no types below node_modules.
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { weirHome } from '../local-stack/src/index.ts'
import { optionsOf } from '../containers/options.ts'
import { run } from '../containers/run.ts'

const HELP = `npm run testkit:pack

Packs @weir/testkit for another project, compiled and with its types, as .weir/packed/weir-testkit.tgz.
`
optionsOf(HELP, {})

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly dependencies: Readonly<Record<string, string>>
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PACKED = join(weirHome(), 'packed')
const STAGE = join(PACKED, 'stage')
const TIME_MS_MAX = 180_000

const manifestOf = (name: string): Manifest =>
  JSON.parse(readFileSync(join(ROOT, 'tools', name, 'package.json'), 'utf8')) as Manifest

/** Versions as the catalog of the workspace has them. */
const catalog = new Map(
  [
    ...readFileSync(join(ROOT, 'pnpm-workspace.yaml'), 'utf8').matchAll(
      /^ {2}'?([@\w/-]+)'?: ([\d.]+\S*)$/gm,
    ),
  ].map(([, name, version]) => [name!, version!]),
)

const compile = (name: string, to: string, exports: object): void => {
  const { version, license } = manifestOf(name)
  cpSync(join(STAGE, 'compiled', name, 'src'), join(to, 'src'), { recursive: true })
  const own = { name: `@weir/${name}`, version, license, type: 'module', exports }
  writeFileSync(join(to, 'package.json'), JSON.stringify(own))
}

const entry = (file: string) => ({ types: `./src/${file}.d.ts`, default: `./src/${file}.js` })

rmSync(STAGE, { recursive: true, force: true })
mkdirSync(STAGE, { recursive: true })
await run(
  process.execPath,
  [
    'node_modules/typescript/bin/tsc',
    '-p',
    'tools/testkit/tsconfig.json',
    '--outDir',
    join(STAGE, 'compiled'),
  ],
  { cwd: ROOT, timeoutMs: TIME_MS_MAX },
)
const testkit = join(STAGE, 'testkit')
const localStack = join(testkit, 'node_modules/@weir/local-stack')
mkdirSync(localStack, { recursive: true })
compile('local-stack', localStack, { '.': entry('index') })
cpSync(join(ROOT, 'LICENSE'), join(testkit, 'LICENSE'))
compile('testkit', testkit, { '.': entry('index'), './global-setup': entry('global-setup') })

const { version, dependencies } = manifestOf('testkit')
const { vitest, ...others } = Object.fromEntries(
  Object.entries(dependencies)
    .filter(([, specifier]) => specifier === 'catalog:')
    .map(([name]) => [name, catalog.get(name)]),
)
const file = join(testkit, 'package.json')
writeFileSync(
  file,
  JSON.stringify({
    ...(JSON.parse(readFileSync(file, 'utf8')) as object),
    dependencies: { ...others, '@weir/local-stack': version },
    bundleDependencies: ['@weir/local-stack'],
    peerDependencies: { vitest },
  }),
)
const [packed] = JSON.parse(
  await run('npm', ['pack', '--json', '--pack-destination', PACKED], {
    cwd: testkit,
    timeoutMs: TIME_MS_MAX,
  }),
) as readonly { readonly filename: string }[]
renameSync(join(PACKED, packed!.filename), join(PACKED, 'weir-testkit.tgz'))
rmSync(STAGE, { recursive: true })
process.stdout.write(`${join(PACKED, 'weir-testkit.tgz')}\n`)
