// Makes up the secrets that Compose's services read from files, once: what is there stays, because a new
// BODY_HASH_KEY would turn every repeat into a conflict, and the databases keep the passwords they began with.
// Runs as root with the capabilities to give files to others and to read those, and no network. Each file has mode
// 0400 and belongs to the user of the containers that mount its folder.
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

const [root = '/var/lib/weir/secrets'] = process.argv.slice(2)
/** As in the image of Weir, and in influxdb's. */
const WEIR = 1000
/** As in the image of PostgreSQL. */
const POSTGRES = 999
const isRoot = process.getuid() === 0

const secret = () => randomBytes(32).toString('hex')
const read = (name) => readFileSync(join(root, name), 'utf8')

const give = (path, user, mode) => {
  const stat = lstatSync(path)
  if ((stat.mode & 0o777) === mode && (!isRoot || stat.uid === user)) return
  // Only the owner may change the mode.
  if (isRoot) chownSync(path, 0, 0)
  chmodSync(path, mode)
  if (isRoot) chownSync(path, user, user)
}

/** Complete or not there at all, and never two different ones. */
const ensure = (name, user, make) => {
  const file = join(root, name)
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true })
    rmSync(`${file}.new`, { force: true })
    writeFileSync(`${file}.new`, make(), { mode: 0o400, flag: 'wx' })
    give(`${file}.new`, user, 0o400)
    renameSync(`${file}.new`, file)
  }
  give(file, user, 0o400)
}

/** What an earlier version kept elsewhere, else a new one. */
const formerly = (name, make) => () => (existsSync(join(root, name)) ? read(name) : make())

for (const name of ['cxone', 'cxone-dataaction', 'nice', 'cognigy-token'])
  ensure(`sources/${name}`, WEIR, secret)
ensure('body-hash/key', WEIR, formerly('sources/body-hash-key', secret))

const database = (role, password) => `postgres://${role}:${password}@postgres:5432/weir`
ensure('postgres/password', POSTGRES, secret)
ensure('database-owner/admin-url', WEIR, () => database('weir', read('postgres/password')))
for (const role of ['owner', 'writer', 'reader']) {
  ensure(`database-${role}/url`, WEIR, () => database(`weir_${role}`, secret()))
}

for (const name of ['password', 'token']) ensure(`influx/${name}`, WEIR, secret)
ensure('influx-token/token', WEIR, () => read('influx/token'))
ensure('console/token', WEIR, secret)
ensure('replay/tokens', WEIR, () => `local:${secret()}`)

// Where more containers than need it would read it.
for (const name of ['sources/body-hash-key', 'postgres/database-url'])
  rmSync(join(root, name), { force: true })
for (const [folder, user] of Object.entries({
  sources: WEIR,
  'body-hash': WEIR,
  postgres: POSTGRES,
  'database-owner': WEIR,
  'database-writer': WEIR,
  'database-reader': WEIR,
  influx: WEIR,
  'influx-token': WEIR,
  console: WEIR,
  replay: WEIR,
})) {
  give(join(root, folder), user, 0o500)
}
