// Makes up the secrets that Compose's services read from files, once: what is there stays, because a new
// BODY_HASH_KEY would turn every repeat into a conflict, and the databases keep the passwords they began with.
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [folder = '/var/lib/weir/secrets'] = process.argv.slice(2)

const secret = () => randomBytes(32).toString('hex')

/** Complete or not there at all, and never two different ones. */
const ensure = (name, make) => {
  const file = join(folder, name)
  if (existsSync(file)) return
  writeFileSync(`${file}.new`, make(), { mode: 0o444 })
  renameSync(`${file}.new`, file)
}

for (const name of ['cxone', 'cxone-dataaction', 'nice', 'cognigy-token', 'body-hash-key']) {
  ensure(`sources/${name}`, secret)
}
ensure('postgres/password', secret)
const password = readFileSync(join(folder, 'postgres/password'), 'utf8')
ensure('postgres/database-url', () => `postgres://weir:${password}@postgres:5432/weir`)
ensure('influx/password', secret)
ensure('influx/token', secret)
ensure('console/token', secret)
ensure('replay/tokens', () => `local:${secret()}`)
