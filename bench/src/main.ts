import { readdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Bench, BenchOption, BenchResult, BenchValues } from './bench.ts'
import { openRig } from './rig/rig.ts'

const NOT_BENCHES = new Set(['main.ts', 'bench.ts'])

const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !NOT_BENCHES.has(file))
  .map((file) => file.slice(0, -'.ts'.length))
  .sort()

const usage = `npm run bench -- <name> [options]
Benchmarks: ${names.join(', ')}
The brokers of KAFKA_BROKERS are used if it is set. Otherwise a local broker is started.
npm run bench -- <name> --help lists the options of a benchmark.
`

const usageOf = (name: string, { about, options }: Bench): string => {
  const lines = Object.entries<BenchOption>({ ...options, json: { about: 'file for the result' } }).map(
    ([option, one]) => {
      const value = one.default === undefined ? '' : ` (${one.default})`
      return `  --${option.padEnd(14)}${one.about}${value}\n`
    },
  )
  return `npm run bench -- ${name} [options]\n${about}\n\n${lines.join('')}`
}

/** Options of the command line that cannot be used. */
class UsageError extends Error {}

const parse = (args: string[], { options }: Bench) => {
  const text = { type: 'string' } as const
  const ours = { json: text, help: { type: 'boolean', short: 'h' } } as const
  const theirs = Object.fromEntries(Object.keys(options).map((option) => [option, text]))
  try {
    const { json, help, ...given } = parseArgs({ args, options: { ...theirs, ...ours } }).values as Readonly<
      Record<string, string | undefined>
    > & { readonly help?: boolean }
    const values = Object.entries(options).map(([option, { default: fallback }]) => [
      option,
      valueOf(option, given[option], fallback),
    ])
    return { json, help, values: Object.fromEntries(values) as BenchValues<Bench['options']> }
  } catch (error) {
    throw error instanceof TypeError ? new UsageError(error.message) : error
  }
}

const valueOf = (option: string, text: string | undefined, fallback: string | number | undefined) => {
  if (text === undefined || typeof fallback !== 'number') return text ?? fallback
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0)) throw new UsageError(`--${option} is ${text}: give a number`)
  return value
}

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
  const { bench } = (await import(`./${name}.ts`)) as { readonly bench: Bench }
  let given: ReturnType<typeof parse>
  try {
    given = parse(args, bench)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\n${usageOf(name, bench)}`)
    return 2
  }
  if (given.help) {
    process.stdout.write(usageOf(name, bench))
    return 0
  }
  return runBench(name, bench, given)
}

const runBench = async (
  name: string,
  bench: Bench,
  { json: file, values }: ReturnType<typeof parse>,
): Promise<number> => {
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
    const found = await bench.run(values, rig)
    const result = Object.fromEntries(Object.entries(found).map(([key, value]) => [key, round(value)]))
    print(name, result)
    if (file !== undefined) writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`)
  } finally {
    await rig.close()
  }
  return 0
}

process.exit(await main())
