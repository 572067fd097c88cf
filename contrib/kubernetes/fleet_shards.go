package kubernetes

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// buckets is how many buckets the targets are in. A shard has whole buckets, so that the
// label of a state stays right when the number of shards changes.
const buckets = 1024

func bucketOf(key string) int { return int(hash(key) % buckets) }

// shardOf returns the shard of a target. All workers of a fleet must agree on it.
func shardOf(key string, shards int) int { return bucketOf(key) % shards }

// bucketsOf returns the buckets of a shard as a label selector. Empty: all of them.
func bucketsOf(shard, shards int) string {
	if shards == 1 {
		return ""
	}
	var names []string
	for b := shard; b < buckets; b += shards {
		names = append(names, strconv.Itoa(b))
	}
	return labelBucket + " in (" + strings.Join(names, ",") + ")"
}

// assign returns which worker is to hold each shard. Each gets its fair share, and those that
// rank high get the rest. It is rendezvous hashing with bounded loads: when a worker comes or
// goes, few shards move that need not. All who know the same workers come to the same result.
func assign(workers []string, shards int) []string {
	out := make([]string, shards)
	if len(workers) == 0 {
		return out
	}
	fair, rest := shards/len(workers), shards%len(workers)
	load := make(map[string]int)
	for shard := range out {
		best, rank := "", uint64(0)
		for _, w := range workers {
			if load[w] > fair || load[w] == fair && rest == 0 {
				continue
			}
			if r := hash(w + "\x00" + string(rune(shard))); best == "" || r > rank || r == rank && w > best {
				best, rank = w, r
			}
		}
		out[shard] = best
		if load[best]++; load[best] > fair {
			rest--
		}
	}
	return out
}

// hash is FNV-1a with its bits mixed: names that end alike get ranks that are far apart.
func hash(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// sorted returns a sorted copy without duplicates.
func sorted(names []string) []string {
	out := slices.Clone(names)
	slices.Sort(out)
	return slices.Compact(out)
}
