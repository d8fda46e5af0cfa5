export interface CaseResult {
  readonly name: string
  readonly expected: string
  readonly seen: string
  readonly ms: number
}

/** What `--summary` writes. */
export interface SecuritySummary {
  readonly tier: string
  readonly rows: number
  readonly differences: number
  readonly secs: number
  readonly cases: readonly CaseResult[]
  /** The same for whoever runs several programmes. */
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[]
}

/** What a row sees that cannot run on this machine, and why. */
export const NOT_RUN = 'not run: '

export const isDifferent = ({ expected, seen }: CaseResult): boolean =>
  expected !== seen && !seen.startsWith(NOT_RUN)

const NAME_WIDTH = 78
const SEEN_WIDTH = 100
const cut = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, width - 1)}…`

/** One line a row: a mark, the name, what was expected and, where it differs, what was seen. */
export const rowText = (result: CaseResult): string => {
  const { name, expected, seen } = result
  const isBad = isDifferent(result)
  const mark = isBad ? '✗' : result.seen.startsWith(NOT_RUN) ? '-' : '✓'
  const start = `${mark} ${cut(name, NAME_WIDTH).padEnd(NAME_WIDTH)}  `
  return isBad
    ? `${start}expected ${expected}\n${''.padEnd(NAME_WIDTH + 4)}seen     ${seen}`
    : start + cut(seen, SEEN_WIDTH)
}

export const summarise = (tier: string, secs: number, cases: readonly CaseResult[]): SecuritySummary => ({
  tier,
  rows: cases.length,
  differences: cases.filter(isDifferent).length,
  secs: Math.round(secs * 10) / 10,
  cases,
  checks: cases.map((one) => ({
    name: one.name,
    ok: !isDifferent(one),
    detail: `expected ${one.expected}, seen ${one.seen}`,
  })),
})
