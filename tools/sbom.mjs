// Prints what the image holds as CycloneDX JSON: `npm run -s sbom > weir.cdx.json`.
import { spawnSync } from 'node:child_process'

/** As the Dockerfile installs: the sources of these are in the image, and what they need is not. */
const WITHOUT_DEPENDENCIES = ['@weir/local-stack', '@weir/testkit']

const [pnpm = 'pnpm'] = process.argv.slice(2)
const filters = [
  './packages/*',
  './services/*',
  './cli',
  './verification/*',
  ...WITHOUT_DEPENDENCIES.map((name) => `!${name}`),
]
const { status, stdout } = spawnSync(
  pnpm,
  [
    'sbom',
    '--prod',
    '--sbom-format',
    'cyclonedx',
    '--sbom-spec-version',
    '1.6',
    '--sbom-type',
    'application',
    ...filters.flatMap((one) => ['--filter', one]),
  ],
  { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 67_108_864 },
)
if (status !== 0) process.exit(status ?? 1)

const bom = JSON.parse(stdout)
const isCut = new Set(
  bom.components
    .filter(({ group, name }) => WITHOUT_DEPENDENCIES.includes(`${group}/${name}`))
    .map((component) => component['bom-ref']),
)
const edges = new Map(
  bom.dependencies.map(({ ref, dependsOn = [] }) => [ref, isCut.has(ref) ? [] : dependsOn]),
)
/** What is reached: a set goes on with what is added to it. */
const held = new Set([bom.metadata.component['bom-ref']])
for (const ref of held) for (const next of edges.get(ref) ?? []) held.add(next)

bom.components = bom.components.filter((component) => held.has(component['bom-ref']))
bom.dependencies = [...held].map((ref) => ({ ref, dependsOn: edges.get(ref) ?? [] }))
process.stdout.write(`${JSON.stringify(bom, null, 2)}\n`)
