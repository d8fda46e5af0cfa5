// Loaded before a service's main.ts: changes the source of the files that WEIR_DEFECT names while they are read.
// The product itself has no switch for any defect.
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { mutate, MUTATIONS, type Mutation } from './mutations.ts'

const root = new URL('../../../../', import.meta.url)
// A service gets it in its environment, the rig as its own option.
const name = process.env.WEIR_DEFECT ?? process.argv[process.argv.indexOf('--defect') + 1] ?? ''
if (!Object.hasOwn(MUTATIONS, name)) throw new Error(`WEIR_DEFECT: there is no defect ${name}`)
const mutations: readonly Mutation[] = MUTATIONS[name as keyof typeof MUTATIONS]

const sourceOf = (source: unknown): string =>
  typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString()

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context)
    const own = mutations.filter(({ file }) => url === new URL(file, root).href)
    if (own.length === 0) return loaded
    process.stderr.write(`planted ${name} in ${fileURLToPath(url)}\n`)
    return { ...loaded, source: own.reduce(mutate, sourceOf(loaded.source)) }
  },
})
