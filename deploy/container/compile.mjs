// Fills NODE_COMPILE_CACHE with what services and the `weir` command load, and starts none of them.
import { readdirSync } from 'node:fs'

const services = new URL('../../services/', import.meta.url)
for (const name of readdirSync(services)) await import(new URL(`${name}/src/index.ts`, services).href)
process.argv = [process.execPath, 'weir', '--help']
await import('../../cli/src/main.ts')
