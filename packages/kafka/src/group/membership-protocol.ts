import kafkajs from 'kafkajs'
import { assignSticky, type MemberClaim } from './assigner.ts'

const { MemberMetadata, MemberAssignment } = kafkajs.AssignerProtocol

/** All members of a group must use the same name. A change to the format of the user data needs a new name. */
export const PROTOCOL_NAME = 'weir-sticky'
const VERSION = 1

type Claim = Omit<MemberClaim, 'memberId'>

export const encodeClaim = (topics: readonly string[], claim: Claim): Buffer =>
  MemberMetadata.encode({
    version: VERSION,
    topics: [...topics],
    userData: Buffer.from(JSON.stringify(claim)),
  })

/** Treats an unreadable claim as empty: the member gets its share of the free partitions. */
const decodeClaim = (metadata: Buffer): Claim => {
  try {
    const text = MemberMetadata.decode(metadata)?.userData.toString() ?? ''
    const { generation, owned } = JSON.parse(text) as Partial<Claim>
    if (typeof generation === 'number' && Array.isArray(owned)) return { generation, owned }
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
  }
  return { generation: -1, owned: [] }
}

/** Computes the assignment as group leader. Partition number p of every topic goes to the same member. */
export const encodeAssignment = (
  topics: readonly string[],
  partitions: readonly number[],
  members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[],
): { memberId: string; memberAssignment: Buffer }[] => {
  const claims = members.map(({ memberId, memberMetadata }) => ({ memberId, ...decodeClaim(memberMetadata) }))
  return [...assignSticky(partitions, claims)].map(([memberId, owned]) => ({
    memberId,
    memberAssignment: MemberAssignment.encode({
      version: VERSION,
      assignment: Object.fromEntries(topics.map((topic) => [topic, [...owned]])),
      userData: Buffer.alloc(0),
    }),
  }))
}

export const decodeAssignment = (assignment: Buffer, topic: string): readonly number[] =>
  MemberAssignment.decode(assignment)?.assignment[topic] ?? []
