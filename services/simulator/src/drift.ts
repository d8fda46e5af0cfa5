import type { JsonObject, JsonValue } from '@weir/sources'
import type { Random } from '@weir/truth'

/** Declared versions; each has the fields of those before it and one more. */
const VERSIONS = 5
/** Of what drifts: payloads that nobody expects, and that are still authentic and well identified. */
const POISON = 0.01

type Change = (body: JsonObject, random: Random) => JsonObject

/** Fields by which ingress knows an event: providers leave these alone. */
const IDENTITY: readonly string[] = [
  'interactionId',
  'eventType',
  'timestamp',
  'sequenceNumber',
  'data',
  'id',
  'type',
  'conversationId',
  'sessionId',
  'intent',
  'userId',
  'dataActionId',
  'updatedTimestamp',
]

const newField: Change = (body, random) => {
  const value = random.pick<JsonValue>([1, 'text', true, null, ['a', 1], { deep: [{ er: 1 }] }, []])
  return { ...body, [`extension_${random.below(3)}`]: value }
}

/** The parts that a mapping looks for are elsewhere; the phone number goes where it is known to go. */
const movedField: Change = (body) => {
  const { data, skill, agentId, agent_skills, payload, ...rest } = body
  if (isObject(data)) {
    const { customer, ...others } = data
    return { ...body, data: { ...others, ...(customer !== undefined && { participants: [customer] }) } }
  }
  const moved = { ...(skill !== undefined && { skill }), ...(agentId !== undefined && { id: agentId }) }
  return {
    ...rest,
    ...(Object.keys(moved).length > 0 && { agent: moved }),
    ...(agent_skills !== undefined && { skills: { agent: agent_skills } }),
    ...(payload !== undefined && { details: payload }),
  }
}

const otherType: Change = (body, random) => {
  const names = Object.keys(body).filter((name) => !IDENTITY.includes(name) && name !== 'payload')
  if (names.length === 0) return { ...body, note: random.pick<JsonValue>(['text', 1, false]) }
  return { ...body, [random.pick(names)]: random.pick<JsonValue>([7, false, ['a'], { of: 'a kind' }, null]) }
}

const declaredVersion: Change = (body, random) => {
  const version = 1 + random.below(VERSIONS)
  const added = Array.from({ length: version - 1 }, (_, i) => [`since_version_${i + 2}`, i] as const)
  return { ...body, ...Object.fromEntries(added), schemaVersion: String(version) }
}

const nested = (depth: number): JsonValue => (depth === 0 ? 'end' : [nested(depth - 1)])

const POISONS: readonly Change[] = [
  (body) => ({ ...body, nested: nested(50) }),
  (body) => ({ ...body, texts: ['\u0000', '\ud83d\ude00', '\u202e', "'; DROP TABLE events; --"] }),
  (body, random) => ({
    ...body,
    ...Object.fromEntries(Array.from({ length: 300 }, () => [`key_${random.below(1e9)}`, 1])),
  }),
  (body) => ({ ...body, long: 'x'.repeat(100_000) }),
  (body) => ({ ...body, number: 1e308, small: 5e-324, inherited: { toString: 'text', valueOf: 1 } }),
]

/** A payload as a provider might send it after a release of its own, under the identity that it had. */
export const driftOf = (body: JsonObject, random: Random): JsonObject => {
  if (random.chance(POISON)) return random.pick(POISONS)(body, random)
  return random.pick([newField, movedField, otherType, declaredVersion])(body, random)
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
