import { readdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Bench, BenchResult } from './bench.ts'
import { openRig } from './rig/rig.ts'

const NOT_BENCHES = new Set(['main.ts', 'bench.ts'])

const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !NOT_BENCHES.has(file))
  .map((file) => file.slice(0, -'.ts'.length))
  .sort()

const usage = `npm run bench -- <name> [--json FILE] [options of the benchmark]
Benchmarks: ${names.join(', ')}
KAFKA_BROKERS is used when it is set; else a fresh local Kafka is started.
`

const round = (value: BenchResult[string]): BenchResult[string] =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value

const print = (name: string, result: BenchResult): void => {
  const width = Math.max(...Object.keys(result).map((key) => key.length))
  const lines = Object.entries(result).map(([key, value]) => `  ${key.padEnd(width)}  ${value}\n`)
  process.stdout.write(`${name}\n${lines.join('')}`)
}

const main = async (): Promise<number> => {
  const [name = '', ...args] = process.argv.slice(2)
  if (name === '--help' || name === '-h') {
    process.stdout.write(usage)
    return 0
  }
  if (!names.includes(name)) {
    process.stderr.write(usage)
    return 2
  }
  // Only --json is ours; the rest is the benchmark's, with its own check.
  const { tokens } = parseArgs({ args, options: { json: { type: 'string' } }, strict: false, tokens: true })
  const token = tokens.find((one) => one.kind === 'option' && one.name === 'json')
  const file = token?.kind === 'option' ? token.value : undefined
  const own = token?.kind === 'option' ? args.toSpliced(token.index, token.inlineValue ? 1 : 2) : args
  const { run } = (await import(`./${name}.ts`)) as { readonly run: Bench }
  const rig = openRig()
  let stopping = false
  const stop = (): void => {
    if (stopping) return
    stopping = true
    void rig.close().then(() => process.exit(130))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  try {
    const found = await run(own, rig)
    const result = Object.fromEntries(Object.entries(found).map(([key, value]) => [key, round(value)]))
    print(name, result)
    if (file !== undefined) writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`)
  } finally {
    await rig.close()
  }
  return 0
}

process.exit(await main())
