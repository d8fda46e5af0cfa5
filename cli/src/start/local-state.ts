import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensurePrivate, type Folders } from '@weir/local-stack'
import type { Observer } from '@weir/observer'
import type { Environment } from '@weir/runtime'
import type { StartConfig } from '../config.ts'

type GivenServers = Pick<StartConfig, 'kafkaBrokers' | 'registryUrl' | 'databaseUrl' | 'influxUrl'>

/**
 * Each set of given servers has a state of its own, because the database of one set does not match the Kafka of
 * another.
 */
export const foldersFor = (folders: Folders, config: GivenServers): Folders => {
  const { kafkaBrokers, registryUrl, databaseUrl, influxUrl } = config
  const given = [kafkaBrokers, registryUrl, databaseUrl, influxUrl]
  if (given.every((url) => url === undefined)) return folders
  const name = createHash('sha256')
    .update(JSON.stringify(given.map((url) => url ?? null)))
    .digest('hex')
  return { ...folders, state: `${folders.state}-${name.slice(0, 8)}` }
}

const SERVER_USERS = ['owner', 'writer', 'reader', 'influx', 'influxMetrics'] as const

export interface LocalIdentity {
  /** Id of this state, which names its objects on servers that it shares with others. */
  readonly id: string
  /** Passwords of users on the servers that are started here. */
  readonly passwords: Readonly<Record<(typeof SERVER_USERS)[number], string>>
  /** Secrets for the services, by the names of their settings. */
  readonly secrets: Environment
}

const random = (bytes: number): string => randomBytes(bytes).toString('hex')

const SECRETS: Readonly<Record<string, () => string>> = {
  SOURCE_CXONE_SECRETS: () => random(32),
  SOURCE_CXONE_DATAACTION_SECRETS: () => random(32),
  SOURCE_NICE_SECRETS: () => random(32),
  SOURCE_COGNIGY_TOKEN: () => random(32),
  BODY_HASH_KEY: () => random(32),
  CONSOLE_READ_TOKENS: () => random(32),
  REPLAY_TOKENS: () => `local:${random(32)}`,
}

/**
 * Created once and kept with the state, because a new hash key, for example, would turn every repeat into a conflict.
 */
export const localIdentity = (folders: Folders): LocalIdentity => {
  const file = join(folders.state, 'identity.json')
  const found = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Partial<LocalIdentity>) : {}
  const passwords = Object.fromEntries(SERVER_USERS.map((name) => [name, random(32)]))
  const secrets = Object.fromEntries(Object.entries(SECRETS).map(([name, make]) => [name, make()]))
  const identity = {
    id: found.id ?? random(4),
    // Secrets that an older state lacks are created now.
    passwords: { ...passwords, ...found.passwords } as LocalIdentity['passwords'],
    secrets: { ...secrets, ...found.secrets },
  }
  ensurePrivate(folders.state)
  writeFileSync(file, JSON.stringify(identity), { mode: 0o600 })
  return identity
}

/** Rows that a given database had before this state began. Counted before its first webhook and kept with it. */
export const strangeRows = async (
  folders: Folders,
  observer: Observer,
): Promise<ReadonlyMap<string, number>> => {
  const file = join(folders.state, 'strange-rows.json')
  if (!existsSync(file)) {
    const rows = (await observer.onTopic()) === 0 ? await observer.rowCounts() : new Map<string, number>()
    writeFileSync(file, JSON.stringify([...rows]))
  }
  return new Map(JSON.parse(readFileSync(file, 'utf8')) as [string, number][])
}
