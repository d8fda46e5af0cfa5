import { COLUMNS } from './columns.ts'

const NAMES = COLUMNS.map(({ name }) => name).join(', ')
const ARRAYS = COLUMNS.map(({ type }, index) => `$${index + 1}::${type}[]`).join(', ')
const VALUES = COLUMNS.map(({ name, expression }) => expression?.replace('$', name) ?? name).join(', ')

const LATEST = COLUMNS.flatMap(({ name, isLatest }) => (isLatest ? [name] : []))
const INTERACTION_KEY = ['source', 'interaction_id']
const CHANGES = LATEST.filter((name) => !INTERACTION_KEY.includes(name))
  .map((name) => `${name} = excluded.${name}`)
  .join(', ')

/** A total order of events: the provider's sequence where it has one, else its time; then ours; then the key. */
const ORDER = [
  'coalesce(#sequence, -1)',
  `coalesce(#occurred_at, '-infinity')`,
  'coalesce(#occurred_at_nanos, 0)',
  '#received_at',
  '#event_key',
]
const orderOf = (table: string): string => `(${ORDER.join(', ').replaceAll('#', `${table}.`)})`
const NEWEST_FIRST = ORDER.map((one) => `${one.replace('#', '')} DESC`).join(', ')

/**
 * Inserts the rows of a batch; returns the keys of those that were not there. Only these can become the latest of an
 * interaction, and they never replace a newer one.
 */
export const INSERT = `
WITH batch AS (
  SELECT * FROM unnest(${ARRAYS}) AS t(${NAMES})
), inserted AS (
  INSERT INTO events (${NAMES})
  SELECT ${VALUES}
  FROM batch ORDER BY event_key
  ON CONFLICT (event_key) DO NOTHING
  RETURNING ${LATEST.join(', ')}
), latest AS (
  SELECT DISTINCT ON (source, interaction_id) * FROM inserted
  ORDER BY source, interaction_id, ${NEWEST_FIRST}
), upserted AS (
  INSERT INTO interactions (${LATEST.join(', ')})
  SELECT ${LATEST.join(', ')} FROM latest ORDER BY source, interaction_id
  ON CONFLICT (source, interaction_id) DO UPDATE SET
    ${CHANGES}, updated_at = clock_timestamp()
  WHERE ${orderOf('excluded')} > ${orderOf('interactions')}
)
SELECT event_key FROM inserted`
