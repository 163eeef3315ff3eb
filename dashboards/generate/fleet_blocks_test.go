//go:build fleet

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

// blockLength is how much time a block of the store holds, in samples: 6 hours, a length to which Prometheus
// compacts.
const blockLength = int(6 * time.Hour / scrapeInterval)

// chunkLength is how many samples Prometheus puts into a chunk.
const chunkLength = 120

// write writes the fleet as blocks of Prometheus' store below dir. Chunks are encoded directly, without a head and its
// log, so that a day of 500 sites takes a minute and not an hour.
func (f *fleet) write(dir string) error {
	all := slices.Concat(f.exposed(), f.recorded())
	slices.SortFunc(all, func(a, b series) int { return labels.Compare(a.labels, b.labels) })
	for from := 0; from < f.samples; from += blockLength {
		e := encoder{fleet: f, random: rand.New(rand.NewPCG(1, uint64(from))).Float64, seen: map[constantRun]chunkenc.Chunk{}}
		if err := e.block(dir, fmt.Sprintf("01%024d", from+1), all, from, min(from+blockLength, f.samples)); err != nil {
			return fmt.Errorf("block from sample %d: %w", from, err)
		}
	}
	return nil
}

// encoder encodes the chunks of one block.
type encoder struct {
	fleet  *fleet
	random func() float64
	seen   map[constantRun]chunkenc.Chunk // of runs without noise that fill a chunk: most are the same at all sites
}

// constantRun is what the samples of a chunk without noise depend on.
type constantRun struct {
	from, to     int
	value, slope float64
}

// block writes the samples of one block.
func (e *encoder) block(dir, ulid string, all []series, from, to int) error {
	f := e.fleet
	folder := filepath.Join(dir, ulid)
	chunkWriter, err := chunks.NewWriter(filepath.Join(folder, "chunks"))
	if err != nil {
		return err
	}
	indexWriter, err := index.NewWriter(context.Background(), filepath.Join(folder, "index"))
	if err != nil {
		return err
	}
	symbols := map[string]struct{}{}
	for _, s := range all {
		s.labels.Range(func(l labels.Label) { symbols[l.Name], symbols[l.Value] = struct{}{}, struct{}{} })
	}
	sorted := make([]string, 0, len(symbols))
	for symbol := range symbols {
		sorted = append(sorted, symbol)
	}
	slices.Sort(sorted)
	for _, symbol := range sorted {
		if err := indexWriter.AddSymbol(symbol); err != nil {
			return err
		}
	}
	var numSamples, numSeries, numChunks uint64
	for i, s := range all {
		metas, samples, err := e.encode(s, from, to)
		if err != nil {
			return err
		}
		if len(metas) == 0 {
			continue
		}
		if err := chunkWriter.WriteChunks(metas...); err != nil {
			return err
		}
		if err := indexWriter.AddSeries(storage.SeriesRef(i), s.labels, metas...); err != nil {
			return fmt.Errorf("%s: %w", s.labels, err)
		}
		numSamples, numSeries, numChunks = numSamples+samples, numSeries+1, numChunks+uint64(len(metas))
	}
	if err := chunkWriter.Close(); err != nil {
		return err
	}
	if err := indexWriter.Close(); err != nil {
		return err
	}
	meta, err := json.Marshal(map[string]any{
		"ulid": ulid, "minTime": f.milliseconds(from), "maxTime": f.milliseconds(to), "version": 1,
		"stats":      map[string]uint64{"numSamples": numSamples, "numSeries": numSeries, "numChunks": numChunks},
		"compaction": map[string]any{"level": 1, "sources": []string{ulid}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "meta.json"), meta, 0o600)
}

// encode gives the chunks of a series between two samples.
func (e *encoder) encode(s series, from, to int) (metas []chunks.Meta, samples uint64, err error) {
	var appender chunkenc.Appender
	for _, p := range s.parts {
		for i := max(p.from, from); i < min(p.to, to); {
			full := appender == nil || metas[len(metas)-1].Chunk.NumSamples() == chunkLength
			if end := min(i+chunkLength, p.to, to); full && p.noise == 0 && (end == i+chunkLength || end == to) {
				chunk, err := e.constant(constantRun{i, end, p.at(i, nil), p.slope})
				if err != nil {
					return nil, 0, err
				}
				metas = append(metas, chunks.Meta{Chunk: chunk, MinTime: e.fleet.milliseconds(i), MaxTime: e.fleet.milliseconds(end - 1)})
				appender, samples, i = nil, samples+uint64(end-i), end
				continue
			}
			at := e.fleet.milliseconds(i)
			if full {
				chunk := chunkenc.NewXORChunk()
				if appender, err = chunk.Appender(); err != nil {
					return nil, 0, err
				}
				metas = append(metas, chunks.Meta{Chunk: chunk, MinTime: at})
			}
			appender.Append(0, at, p.at(i, e.random))
			metas[len(metas)-1].MaxTime = at
			samples++
			i++
		}
	}
	return metas, samples, nil
}

// constant gives the chunk of a run.
func (e *encoder) constant(r constantRun) (chunkenc.Chunk, error) {
	if chunk, ok := e.seen[r]; ok {
		return chunk, nil
	}
	chunk := chunkenc.NewXORChunk()
	appender, err := chunk.Appender()
	if err != nil {
		return nil, err
	}
	for i := r.from; i < r.to; i++ {
		appender.Append(0, e.fleet.milliseconds(i), r.value+r.slope*float64(i-r.from))
	}
	e.seen[r] = chunk
	return chunk, nil
}

// milliseconds is the time of a sample. The last sample is the one before the end.
func (f *fleet) milliseconds(at int) int64 {
	return f.end.Add(time.Duration(at-f.samples+1) * scrapeInterval).UnixMilli()
}
