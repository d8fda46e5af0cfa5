// The image's entry point: `run.mjs dedup` runs a service in this process, anything else is a `weir` command.
import { existsSync } from 'node:fs'
import './ports.mjs'

const [name = '--help', ...args] = process.argv.slice(2)
const service = new URL(`../../services/${name}/src/main.ts`, import.meta.url)
const isService = /^[a-z-]+$/.test(name) && existsSync(service)
if (!isService) process.argv = [process.execPath, 'weir', name, ...args]
await import(isService ? service.href : '../../cli/src/main.ts')
