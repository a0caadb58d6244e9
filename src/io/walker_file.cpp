#include "mesolith/io/walker_file.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <set>
#include <span>
#include <utility>

#include <Eigen/Geometry>
#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/h5md.hpp"

namespace mesolith {

namespace {

void check_sample(const std::string& path, WalkerSample& sample) {
    const std::size_t n = sample.species.size();
    if (n == 0) throw DataError(fmt::format("{}: there are no walkers to write. Choose one at least", path));
    for (const std::string& name : sample.species)
        if (name.empty() || name.find_first_of(" \t\r\n") != std::string::npos)
            throw DataError(fmt::format("{}: a walker cannot be called '{}' (an element's symbol is needed). "
                                        "Correct it",
                                        path, name));
    if (sample.ids.empty()) {
        sample.ids.resize(n);
        std::iota(sample.ids.begin(), sample.ids.end(), 0);
    }
    const std::set<std::int64_t> different(sample.ids.begin(), sample.ids.end());
    if (sample.ids.size() != n || different.size() != n || *different.begin() < 0)
        throw DataError(fmt::format("{}: {} ids for {} walkers, {} of them different, the smallest is {}. "
                                    "Give each one of its own, 0 "
                                    "or more",
                                    path, sample.ids.size(), n, different.size(),
                                    different.empty() ? 0 : *different.begin()));
}

/// What every writer checks before anything is written.
void check_frame(const std::string& path, const WalkerFrame& frame, std::size_t n,
                 const WalkerFileOptions& options) {
    const auto refuse = [&](const std::string& problem, const char* advice) {
        throw DataError(fmt::format("{}: step {}: {}. {}", path, frame.step, problem, advice));
    };
    if (frame.positions.size() != n)
        refuse(fmt::format("{} positions for {} walkers", frame.positions.size(), n),
               "Walkers that are gone stay with alive = 0");
    if (frame.alive.size() != (options.with_alive ? n : 0))
        refuse(fmt::format("{} flags `alive` for {} walkers", frame.alive.size(), n),
               "Give them in all frames or in none");
    if (frame.site.size() != (options.with_site ? n : 0))
        refuse(fmt::format("{} sites for {} walkers", frame.site.size(), n),
               "Give them in all frames or in none");
    if (std::any_of(frame.alive.begin(), frame.alive.end(), [](auto flag) { return flag != 0 && flag != 1; }))
        refuse("a flag `alive` is neither 0 nor 1", "Correct it");
    if (!std::isfinite(frame.time)) refuse("the time is not finite", "Give it in ps");
    for (std::size_t w = 0; w < n; ++w)
        if (!frame.positions[w].allFinite())
            refuse(fmt::format("the position of walker {} is not finite", w),
                   "Give walkers that are gone their last position");
}

class H5mdWalkers : public WalkerWriter {
public:
    H5mdWalkers(std::string path, std::size_t n, const WalkerFileOptions& options, H5mdWriter writer)
        : path_(std::move(path)), n_(n), options_(options), writer_(std::move(writer)) {}

    static H5mdOptions settings(const WalkerSample& sample, const WalkerFileOptions& options) {
        H5mdOptions settings;
        settings.group = "walkers";
        settings.single_precision = options.single_precision;
        settings.unwrapped = true;
        settings.periodic = sample.periodic;
        settings.ids = sample.ids;
        if (options.with_alive) settings.integers.emplace_back("alive");
        if (options.with_site) settings.integers.emplace_back("site");
        return settings;
    }

    void append(const WalkerFrame& frame) override {
        check_frame(path_, frame, n_, options_);
        std::vector<std::span<const std::int32_t>> integers;
        if (options_.with_alive) integers.emplace_back(frame.alive);
        if (options_.with_site) integers.emplace_back(frame.site);
        buffer_.time = frame.time;
        buffer_.cell = frame.box;
        buffer_.positions = frame.positions;
        writer_.append(buffer_, frame.step, integers);
    }
    void flush() override { writer_.flush(); }
    void close() override { writer_.close(); }

private:
    std::string path_;
    std::size_t n_;
    WalkerFileOptions options_;
    H5mdWriter writer_;
    Frame buffer_;
};

class TextWalkers : public WalkerWriter {
public:
    TextWalkers(const std::string& path, WalkerFormat format, WalkerSample sample,
                const WalkerFileOptions& options)
        : path_(path), lammps_(format == WalkerFormat::lammps_dump), sample_(std::move(sample)),
          options_(options), file_(path) {
        if (options.decimals < 1 || options.decimals > 15)
            throw DataError(
                fmt::format("{}: {} decimals (1 to 15 are possible). Correct it", path, options.decimals));
        std::vector<std::string> names;
        for (const std::string& name : sample_.species) {
            const auto found = std::find(names.begin(), names.end(), name);
            types_.push_back(found - names.begin() + 1);
            if (found == names.end()) names.push_back(name);
        }
    }

    void append(const WalkerFrame& frame) override {
        check_frame(path_, frame, types_.size(), options_);
        text_.clear();
        const Mat3& box = frame.box.vectors();
        const Mat3 shown = lammps_ ? lammps_box(frame.box) : box;
        const bool turn = shown != box;
        if (lammps_)
            lammps_header(frame.step, shown);
        else
            extxyz_header(frame, box);
        for (std::size_t w = 0; w < types_.size(); ++w) {
            const Vec3& r = frame.positions[w];
            line(frame, w, turn ? Vec3(shown.transpose() * frame.box.to_fractional(r)) : r);
            if (text_.size() > (1u << 20)) send();
        }
        send();
    }
    void flush() override {}
    void close() override {
        if (!std::exchange(closed_, true)) file_.commit();
    }

private:
    template <class... Values>
    void add(fmt::format_string<Values...> format, Values&&... values) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Values>(values)...);
    }

    void send() {
        file_.write(text_);
        text_.clear();
    }

    /// Numbers of the box are exact: as short as possible, but the same when they are read.
    void extxyz_header(const WalkerFrame& frame, const Mat3& box) {
        add("{}\nLattice=\"", types_.size());
        for (int i = 0; i < 9; ++i) add("{}{}", i > 0 ? " " : "", box(i / 3, i % 3));
        add("\" Properties=species:S:1:pos:R:3:id:I:1{}{} time_ps={} step={} pbc=\"{} {} {}\"\n",
            options_.with_site ? ":site:I:1" : "", options_.with_alive ? ":alive:I:1" : "", frame.time,
            frame.step, flag(0), flag(1), flag(2));
    }
    char flag(std::size_t axis) const { return sample_.periodic[axis] ? 'T' : 'F'; }

    void lammps_header(std::int64_t step, const Mat3& box) {
        const double xy = box(1, 0), xz = box(2, 0), yz = box(2, 1);
        add("ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n{}\nITEM: BOX BOUNDS", step, types_.size());
        const bool tilted = xy != 0 || xz != 0 || yz != 0;
        if (tilted) add(" xy xz yz");
        for (const bool periodic : sample_.periodic) add(" {}", periodic ? "pp" : "ff");
        if (tilted) // the bounding box, as LAMMPS has it
            add("\n{} {} {}\n{} {} {}\n0 {} {}\n", std::min({0.0, xy, xz, xy + xz}),
                box(0, 0) + std::max({0.0, xy, xz, xy + xz}), xy, std::min(0.0, yz),
                box(1, 1) + std::max(0.0, yz), xz, box(2, 2), yz);
        else
            add("\n0 {}\n0 {}\n0 {}\n", box(0, 0), box(1, 1), box(2, 2));
        add("ITEM: ATOMS id type element xu yu zu{}{}\n", options_.with_site ? " site" : "",
            options_.with_alive ? " alive" : "");
    }

    void line(const WalkerFrame& frame, std::size_t w, const Vec3& r) {
        const int d = options_.decimals;
        if (lammps_)
            add("{} {} {} {:.{}f} {:.{}f} {:.{}f}", sample_.ids[w], types_[w], sample_.species[w], r[0], d,
                r[1], d, r[2], d);
        else
            add("{} {:.{}f} {:.{}f} {:.{}f} {}", sample_.species[w], r[0], d, r[1], d, r[2], d,
                sample_.ids[w]);
        if (options_.with_site) add(" {}", frame.site[w]);
        if (options_.with_alive) add(" {}", frame.alive[w]);
        text_ += '\n';
    }

    std::string path_;
    bool lammps_, closed_ = false;
    WalkerSample sample_;
    WalkerFileOptions options_;
    TextFileWriter file_;
    std::vector<std::ptrdiff_t> types_; // from 1, by first appearance
    std::string text_;
};

} // namespace

Mat3 lammps_box(const Cell& box) {
    const Mat3& a = box.vectors();
    if (a(0, 1) == 0 && a(0, 2) == 0 && a(1, 2) == 0 && a.diagonal().minCoeff() > 0) return a;
    const Vec3 a1 = a.row(0), a2 = a.row(1), a3 = a.row(2);
    Mat3 rows = Mat3::Zero();
    rows(0, 0) = a1.norm();
    rows(1, 0) = a1.dot(a2) / rows(0, 0);
    rows(1, 1) = a1.cross(a2).norm() / rows(0, 0);
    rows(2, 0) = a1.dot(a3) / rows(0, 0);
    rows(2, 1) = (a2.dot(a3) - rows(1, 0) * rows(2, 0)) / rows(1, 1);
    rows(2, 2) = box.volume() / (rows(0, 0) * rows(1, 1));
    return rows;
}

std::unique_ptr<WalkerWriter> create_walker_file(const std::string& path, WalkerFormat format,
                                                 const WalkerSample& sample,
                                                 const WalkerFileOptions& options) {
    WalkerSample checked = sample;
    check_sample(path, checked);
    if (format != WalkerFormat::h5md) return std::make_unique<TextWalkers>(path, format, checked, options);
    return std::make_unique<H5mdWalkers>(
        path, checked.species.size(), options,
        H5mdWriter::in_place(path, checked.species, H5mdWalkers::settings(checked, options)));
}

std::unique_ptr<WalkerWriter> resume_walkers(const std::string& path, std::uint64_t n_frames,
                                             const WalkerSample& sample, const WalkerFileOptions& options) {
    WalkerSample checked = sample;
    check_sample(path, checked);
    return std::make_unique<H5mdWalkers>(
        path, checked.species.size(), options,
        H5mdWriter::resume(path, checked.species, n_frames, H5mdWalkers::settings(checked, options)));
}

} // namespace mesolith
