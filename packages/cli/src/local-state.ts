import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Folders } from '@weir/local-stack'
import type { Observer } from '@weir/observer'
import type { Environment } from '@weir/service-kit'
import type { StartConfig } from './config.ts'

type GivenServers = Pick<StartConfig, 'kafkaBrokers' | 'registryUrl' | 'databaseUrl' | 'influxUrl'>

/** Each set of given servers has a state of its own: what one run has left in Kafka, another's database does not have. */
export const foldersFor = (folders: Folders, config: GivenServers): Folders => {
  const { kafkaBrokers, registryUrl, databaseUrl, influxUrl } = config
  const given = [kafkaBrokers, registryUrl, databaseUrl, influxUrl]
  if (given.every((url) => url === undefined)) return folders
  const name = createHash('sha256')
    .update(JSON.stringify(given.map((url) => url ?? null)))
    .digest('hex')
  return { ...folders, state: `${folders.state}-${name.slice(0, 8)}` }
}

export const deleteState = (folders: Folders): Promise<void> =>
  rm(folders.state, { recursive: true, force: true })

export interface LocalIdentity {
  /** Of this state: names what it has on servers that it shares with others. */
  readonly id: string
  /** Secrets for the services, by the names of their settings. */
  readonly secrets: Environment
}

const random = (bytes: number): string => randomBytes(bytes).toString('hex')

const SECRETS: Readonly<Record<string, () => string>> = {
  SOURCE_CXONE_SECRETS: () => random(32),
  SOURCE_CXONE_DATAACTION_SECRETS: () => random(32),
  SOURCE_NICE_SECRETS: () => random(32),
  BODY_HASH_KEY: () => random(32),
  REPLAY_TOKENS: () => `local:${random(32)}`,
}

/** Made once and kept with the state: a new hash key, for one, would turn every repeat into a conflict. */
export const localIdentity = (folders: Folders): LocalIdentity => {
  const file = join(folders.state, 'identity.json')
  const found = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as LocalIdentity) : undefined
  const missing = Object.entries(SECRETS).filter(([name]) => found?.secrets[name] === undefined)
  if (found !== undefined && missing.length === 0) return found
  const identity: LocalIdentity = {
    id: found?.id ?? random(4),
    secrets: { ...found?.secrets, ...Object.fromEntries(missing.map(([name, make]) => [name, make()])) },
  }
  mkdirSync(folders.state, { recursive: true })
  writeFileSync(file, JSON.stringify(identity), { mode: 0o600 })
  return identity
}

/** Rows that a given database had before this state began; counted before its first webhook and kept with it. */
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
