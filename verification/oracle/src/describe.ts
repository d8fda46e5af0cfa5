import type { OracleReport } from './conclude.ts'

/** In lines, for a person. */
export const describeReport = ({
  ok,
  found,
  findings,
  counted,
  unchecked,
}: OracleReport): readonly string[] => [
  `independent check: ${ok ? 'agrees' : 'DISAGREES'}   received ${counted.received}   events ${counted.events}   ` +
    `unique ${counted.unique}   normalized ${counted.normalized}   rows ${counted.rows}   letters ${counted.letters}   ` +
    `repeats ${counted.repeats}   of others ${counted.foreign}`,
  ...(ok
    ? []
    : [
        Object.entries(found)
          .map(([kind, count]) => `${kind} ${count}`)
          .join('   '),
      ]),
  ...findings,
  ...unchecked.map((text) => `not compared: ${text}`),
]
