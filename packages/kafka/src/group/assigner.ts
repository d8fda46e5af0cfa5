/** The partition numbers that a joining member runs, and the generation in which it received them. */
export interface MemberClaim {
  readonly memberId: string
  readonly generation: number
  readonly owned: readonly number[]
}

/**
 * Assigns every partition number to one member. The counts of two members differ by at most one, and as few partitions
 * move as that allows, because a moved partition must restore its state. If two members claim one partition, the later
 * generation keeps it. Pure function.
 */
export const assignSticky = (
  partitions: readonly number[],
  members: readonly MemberClaim[],
): ReadonlyMap<string, readonly number[]> => {
  const free = new Set(partitions)
  const kept = new Map<string, number[]>()
  const byGeneration = members.toSorted(
    (a, b) => b.generation - a.generation || compare(a.memberId, b.memberId),
  )
  for (const { memberId, owned } of byGeneration) {
    kept.set(
      memberId,
      owned.filter((partition) => free.delete(partition)),
    )
  }

  const floor = Math.floor(partitions.length / members.length)
  let larger = partitions.length % members.length
  const assignment = new Map<string, number[]>()
  // Members with the most partitions get the larger quota, so the remainder moves nothing.
  const byCount = [...kept].sort(([idA, a], [idB, b]) => b.length - a.length || compare(idA, idB))
  const room: { list: number[]; quota: number }[] = []
  for (const [memberId, owned] of byCount) {
    const quota = floor + (larger > 0 ? 1 : 0)
    larger -= 1
    for (const partition of owned.slice(quota)) free.add(partition)
    const list = owned.slice(0, quota)
    assignment.set(memberId, list)
    room.push({ list, quota })
  }

  const waiting = partitions.filter((partition) => free.has(partition))
  for (const { list, quota } of room) list.push(...waiting.splice(0, quota - list.length))
  return assignment
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
