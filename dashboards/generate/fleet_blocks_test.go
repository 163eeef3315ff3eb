//go:build fleet

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
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
	"github.com/prometheus/prometheus/tsdb/record"
)

// blockLength is how much time a block of the store holds, in samples: 6 hours, a length to which Prometheus
// compacts.
const blockLength = int(6 * time.Hour / scrapeInterval)

// chunkLength is how many samples Prometheus puts into a chunk.
const chunkLength = 120

// write writes the fleet as blocks of Prometheus' store below dir. Chunks are encoded directly, without a head and its
// log, so that a day of 500 sites takes a minute and not an hour. Samples from the number until on are not written.
func (f *fleet) write(dir string, all []series, until int) error {
	slices.SortFunc(all, func(a, b series) int { return labels.Compare(a.labels, b.labels) })
	for from := 0; from < until; from += blockLength {
		e := encoder{fleet: f, random: rand.New(rand.NewPCG(1, uint64(from))).Float64, seen: map[constantRun]chunkenc.Chunk{}}
		if err := e.block(dir, fmt.Sprintf("01%024d", from+1), all, from, min(from+blockLength, until)); err != nil {
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
	every        int
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
	every := max(s.every, 1)
	for _, p := range s.parts {
		for i := (max(p.from, from) + every - 1) / every * every; i < min(p.to, to); {
			full := appender == nil || metas[len(metas)-1].Chunk.NumSamples() == chunkLength
			if end := min(i+chunkLength*every, p.to, to); full && p.noise == 0 && (end == i+chunkLength*every || end == to) {
				chunk, err := e.constant(constantRun{i, end, every, p.at(i, nil), p.slope})
				if err != nil {
					return nil, 0, err
				}
				n := (end - i + every - 1) / every
				metas = append(metas, chunks.Meta{Chunk: chunk, MinTime: e.fleet.milliseconds(i), MaxTime: e.fleet.milliseconds(i + (n-1)*every)})
				appender, samples, i = nil, samples+uint64(n), i+n*every
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
			i += every
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
	for i := r.from; i < r.to; i += r.every {
		appender.Append(0, e.fleet.milliseconds(i), r.value+r.slope*float64(i-r.from))
	}
	e.seen[r] = chunk
	return chunk, nil
}

// milliseconds is the time of a sample. The last sample is the one before the end.
func (f *fleet) milliseconds(at int) int64 {
	return f.end.Add(time.Duration(at-f.samples+1) * scrapeInterval).UnixMilli()
}

// writeLog writes the samples from the number from on to the log from which Prometheus fills its head when it starts.
func (f *fleet) writeLog(dir string, all []series, from int) error {
	var encoder record.Encoder
	var log []byte
	random := rand.New(rand.NewPCG(1, uint64(from))).Float64
	for i, s := range all {
		ref := chunks.HeadSeriesRef(i + 1)
		var samples []record.RefSample
		for _, p := range s.parts {
			for at := max(p.from, from); at < p.to; at++ {
				if at%max(s.every, 1) == 0 {
					samples = append(samples, record.RefSample{Ref: ref, T: f.milliseconds(at), V: p.at(at, random)})
				}
			}
		}
		if len(samples) > 0 {
			log = appendRecord(log, encoder.Series([]record.RefSeries{{Ref: ref, Labels: s.labels}}, nil))
			log = appendRecord(log, encoder.Samples(samples, nil))
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "wal"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "wal", "00000000"), log, 0o600)
}

// appendRecord appends a record to a segment of the log, in the format of Prometheus' tsdb/docs/format/wal.md:
// fragments that do not cross pages of 32 KiB, each with its type, its length and its checksum.
func appendRecord(log, rec []byte) []byte {
	const (
		page, header              = 32 << 10, 7
		full, first, middle, last = 1, 2, 3, 4
	)
	for begun := false; ; begun = true {
		room := page - len(log)%page - header
		if room <= 0 {
			log = append(log, make([]byte, room+header)...)
			room = page - header
		}
		n := min(room, len(rec))
		kind := byte(middle)
		switch {
		case !begun && n == len(rec):
			kind = full
		case !begun:
			kind = first
		case n == len(rec):
			kind = last
		}
		log = binary.BigEndian.AppendUint16(append(log, kind), uint16(n))
		log = binary.BigEndian.AppendUint32(log, crc32.Checksum(rec[:n], crc32.MakeTable(crc32.Castagnoli)))
		log = append(log, rec[:n]...)
		if rec = rec[n:]; len(rec) == 0 {
			return log
		}
	}
}
