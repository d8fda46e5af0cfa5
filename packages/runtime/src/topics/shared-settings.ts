import {
  decodeSharedSetting,
  encodeJsonRecord,
  fingerprintOf,
  SETTING_PREFIX,
  TOPIC_SPECS,
  topicNames,
  type SharedSetting,
} from '@weir/contracts'
import {
  ensureTopics,
  openCompactedMap,
  untilAvailable,
  type CompactedMap,
  type KafkaLogger,
  type KafkaSettings,
  type Waiting,
} from '@weir/kafka'
import { identityText, type SourceDefinition } from '@weir/sources'

/** Values that a service shares with the others of its deployment, by name. */
export type SharedValues = Readonly<Record<string, string>>

/** A shared secret such as `BODY_HASH_KEY`, as its fingerprint. */
export const sharedSecret = (name: string, secret: string): SharedValues => ({
  [name]: fingerprintOf(name, secret),
})

/**
 * Each key of `DLQ_KEYS` by its id. Services may have different sets of keys, but a key id must mean the same key in
 * all.
 */
export const sharedLetterKeys = (entries: readonly string[]): SharedValues =>
  Object.fromEntries(
    entries.map((entry) => {
      const [id = '', key = ''] = entry.split(':')
      return [`DLQ_KEYS ${id}`, fingerprintOf(id, key.toLowerCase())]
    }),
  )

/** How each source identifies an event. Services may have different sets of sources. */
export const sharedSources = (sources: readonly SourceDefinition[]): SharedValues =>
  Object.fromEntries(sources.map((source) => [`source ${source.name}`, identityText(source)]))

/** Topics that earlier versions did not have. */
const NEW_SPECS = TOPIC_SPECS.filter(({ role }) => ['settings', 'starts', 'auditLog'].includes(role))

/**
 * Creates these topics when an upgrade finds a deployment of an earlier version, so that services can be restarted in
 * any order. If Weir's user may not create topics, the topic check reports what is missing.
 */
export const ensureNewTopics = async (
  settings: KafkaSettings,
  logger: KafkaLogger,
  profile: 'production' | 'dev',
): Promise<void> => {
  const replicas =
    profile === 'dev'
      ? { replicationFactor: 1, minInsyncReplicas: 1 }
      : { replicationFactor: 3, minInsyncReplicas: 2 }
  try {
    await ensureTopics({ settings, logger, specs: NEW_SPECS, ...replicas })
  } catch (error) {
    const topics = NEW_SPECS.map(({ name }) => name)
    logger.warn({ error: String(error), topics }, 'topics could not be created')
  }
}

/**
 * Compares the values of this service with those that the deployment has published, and publishes those that are
 * missing. Returns a message for each difference, with the setting, both values, the service that published the other
 * one, and the way to change it on purpose.
 */
export const compareSettings = async (
  settings: KafkaSettings,
  waiting: Waiting,
  service: string,
  values: SharedValues,
): Promise<readonly string[]> => {
  const map = await openCompactedMap(settings, topicNames(settings.topicPrefix).settings, waiting)
  try {
    const before = await differences(map, values)
    if (before.messages.length > 0 || before.missing.length === 0) return before.messages
    for (const name of before.missing) {
      const record = { value: values[name]!, service, since: Date.now() }
      const publish = () => map.write(SETTING_PREFIX + name, encodeJsonRecord(record))
      await untilAvailable('publishing settings', publish, waiting)
    }
    // Another service may have published other values at the same time.
    return (await differences(map, values)).messages
  } finally {
    await map.close()
  }
}

/** Values that the services have published, with their names. */
export const publishedSettings = async (
  settings: KafkaSettings,
): Promise<readonly (SharedSetting & { readonly name: string })[]> => {
  const map = await openCompactedMap(settings, topicNames(settings.topicPrefix).settings)
  try {
    return [...(await map.read())].flatMap(([key, values]) => {
      const setting = key.startsWith(SETTING_PREFIX) ? decodeSharedSetting(values.at(-1)!) : undefined
      return setting === undefined ? [] : [{ name: key.slice(SETTING_PREFIX.length), ...setting }]
    })
  } finally {
    await map.close()
  }
}

/** Resolves to false when the setting was not published. */
export const forgetSetting = async (settings: KafkaSettings, name: string): Promise<boolean> => {
  const map = await openCompactedMap(settings, topicNames(settings.topicPrefix).settings)
  try {
    const isKnown = (await map.read()).has(SETTING_PREFIX + name)
    if (isKnown) await map.write(SETTING_PREFIX + name, null)
    return isKnown
  } finally {
    await map.close()
  }
}

const differences = async (map: CompactedMap, values: SharedValues) => {
  const published = await map.read()
  const messages: string[] = []
  const missing: string[] = []
  for (const [name, value] of Object.entries(values)) {
    const others = (published.get(SETTING_PREFIX + name) ?? []).flatMap(
      (bytes) => decodeSharedSetting(bytes) ?? [],
    )
    const other = others.find((one) => one.value !== value)
    if (others.length === 0) missing.push(name)
    else if (other !== undefined) messages.push(messageOf(name, value, other))
  }
  return { messages, missing }
}

const messageOf = (name: string, value: string, { value: other, service, since }: SharedSetting): string =>
  `${name} is ${value} here and ${other} for ${service}, published ${new Date(since).toISOString()}: all services of a ` +
  `deployment must have the same. To change it on purpose, stop every service and run ` +
  `\`weir shared-settings --forget '${name}'\`.`
