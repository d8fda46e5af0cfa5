import { publicUrlProblem } from './content/request-line.ts'
import { compileContent } from './content/signed-content.ts'
import type { SignatureSpec } from './spec.ts'

export interface SpecProblem {
  /** The part of the spec with the problem. */
  readonly field: keyof SignatureSpec
  readonly message: string
}

/** Contradictions in a spec. Empty if it can be used. */
export const specProblems = (spec: SignatureSpec): readonly SpecProblem[] => {
  const problems: SpecProblem[] = []
  const add = (field: SpecProblem['field'], message: string) => problems.push({ field, message })
  const { form, label, timestamp, idHeader } = spec
  let content: ReturnType<typeof compileContent> | undefined
  try {
    content = compileContent(spec.content)
  } catch (error) {
    add('content', (error as Error).message)
  }
  if ('algorithm' in spec && spec.algorithm === 'sha1' && spec.allowSha1 !== true) {
    add(
      'allowSha1',
      'SHA-1 is broken and accepted only with `allowSha1: true`: ask the provider for SHA-256 first',
    )
  }
  if (form !== 'single' && label === '') add('label', `form ${form} needs the label of the entries to take`)
  if (timestamp !== undefined && (timestamp.header === undefined) === (timestamp.pair === undefined)) {
    add('timestamp', 'name either its header or its pair')
  }
  if (timestamp?.pair !== undefined && form !== 'pairs') add('timestamp', 'a pair needs form pairs')
  if (content === undefined) return problems
  if (content.usesTimestamp && timestamp === undefined) {
    add('timestamp', 'content has {timestamp}, so say where it comes from')
  }
  if (!content.usesTimestamp && timestamp !== undefined) {
    add('content', 'a timestamp that is not signed proves nothing: put {timestamp} into it')
  }
  const ofUrl = spec.publicUrl === undefined ? undefined : publicUrlProblem(spec.publicUrl)
  if (ofUrl !== undefined) add('publicUrl', ofUrl)
  if (content.usesUrl && spec.publicUrl === undefined) {
    add('publicUrl', 'the address is signed: say which one the provider calls, as https://hooks.example.com')
  }
  if (content.usesId !== (idHeader !== undefined)) {
    add('idHeader', content.usesId ? 'content has {id}, so name its header' : 'content has no {id}')
  }
  return problems
}
