// Fills NODE_COMPILE_CACHE with all that a service or a `weir` command may load, and runs none of it.
import { readdirSync } from 'node:fs'

const services = new URL('../../services/', import.meta.url)
for (const name of readdirSync(services)) await import(new URL(`${name}/src/index.ts`, services).href)
process.argv = [process.execPath, 'weir', '--help']
await import('../../packages/cli/src/main.ts')
