import { aftermathCases } from './cases/deployment/aftermath.ts'
import { batchCases } from './cases/http/batches.ts'
import { consoleCases } from './cases/deployment/console.ts'
import { costCases } from './cases/deployment/costs.ts'
import { deadLetterCases } from './cases/payloads/dead-letters.ts'
import { duplicateCases } from './cases/signatures/duplicates.ts'
import { floodCases, labelCases } from './cases/http/flood.ts'
import { hostileRecordCases } from './cases/payloads/hostile-records.ts'
import { httpRuleCases } from './cases/http/http-rules.ts'
import { injectionCases } from './cases/payloads/injection.ts'
import { httpProxyCases } from './cases/http/http-proxies.ts'
import { jsonCases } from './cases/payloads/json.ts'
import { leakCases } from './cases/payloads/leaks.ts'
import { localUserCases } from './cases/deployment/local-user.ts'
import { naughtyCases } from './cases/payloads/naughty.ts'
import { presetCases } from './cases/signatures/presets.ts'
import { productionCases } from './cases/deployment/production.ts'
import { schemeCases } from './cases/signatures/schemes.ts'
import { signatureCases } from './cases/signatures/signature.ts'
import { slowRows } from './cases/http/slow.ts'
import { smugglingCases } from './cases/http/smuggling.ts'
import { starvationCases } from './cases/http/starvation.ts'
import { timingCases } from './cases/signatures/timing.ts'
import type { CaseResult } from './report.ts'
import type { Rig } from './rig/rig.ts'
import type { SecurityCase } from './security-case.ts'

/** In the order in which they run: the last groups look back at all before. */
export const allCases = (rig: Rig): readonly SecurityCase[] => [
  ...signatureCases(rig.sources),
  ...schemeCases(),
  ...httpRuleCases(),
  ...smugglingCases(),
  ...jsonCases(),
  ...batchCases(),
  ...deadLetterCases(),
  ...presetCases(),
  ...duplicateCases(),
  ...slowRows(),
  ...consoleCases(),
  ...injectionCases(),
  ...productionCases(),
  ...floodCases(),
  ...labelCases(),
  ...starvationCases(),
  ...costCases(),
  ...httpProxyCases(),
  ...naughtyCases(),
  ...timingCases(),
  ...localUserCases(),
  ...leakCases(),
  ...aftermathCases(),
  ...hostileRecordCases(),
]

/** Cases of the tier whose name contains `only`. */
export const select = (cases: readonly SecurityCase[], tier: string, only = ''): readonly SecurityCase[] =>
  cases.filter((one) => (tier === 'full' || one.tier === 'short') && one.name.includes(only))

const runOne = async (rig: Rig, { name, expected, run }: SecurityCase): Promise<CaseResult> => {
  const startedAt = performance.now()
  const seen = await run(rig).catch((error: unknown) => `failed: ${(error as Error).message}`)
  return { name, expected, seen, ms: Math.round(performance.now() - startedAt) }
}

/** Runs one after the other, but those that only wait together with their neighbours. */
export const runCases = async (
  rig: Rig,
  cases: readonly SecurityCase[],
  onResult: (result: CaseResult) => void,
): Promise<readonly CaseResult[]> => {
  const results: CaseResult[] = []
  for (let at = 0; at < cases.length;) {
    const first = cases[at]!
    let end = at + 1
    while (first.waits && cases[end]?.waits === true) end += 1
    const batch = await Promise.all(cases.slice(at, end).map((one) => runOne(rig, one)))
    for (const result of batch) {
      results.push(result)
      onResult(result)
    }
    at = end
  }
  return results
}
