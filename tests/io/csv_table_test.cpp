#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/io/csv_table.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using namespace mesolith::test;

TEST_CASE("a table is read whatever separates it, with comments and gaps", "[io][csv]") {
    const TemporaryFolder folder;
    for (const char separator : {',', ';', '\t'}) {
        std::string text = "\xef\xbb\xbf# made by hand\r\n\"T [K]\",D [m^2/s],note\r\n300, 1e-14 "
                           ",nan\r\n\r\n% later\n+400,2.5,\n";
        for (char& c : text)
            if (c == ',') c = separator;
        const CsvTable table = read_csv_table(folder.file("t.csv", text));
        CHECK(table.names == std::vector<std::string>{"T [K]", "D [m^2/s]", "note"});
        REQUIRE(table.n_rows() == 2);
        CHECK(table.columns[0] == std::vector<double>{300, 400});
        CHECK(table.columns[1] == std::vector<double>{1e-14, 2.5});
        CHECK(std::isnan(table.columns[2][0]));
        CHECK(std::isnan(table.columns[2][1]));
        CHECK(table.lines == std::vector<std::size_t>{3, 6});
        CHECK(table.comments == std::vector<std::string>{"made by hand", "later"});
        CHECK(table.find(std::vector<std::string>{"d", "t [k]"}) == std::size_t{0});
        CHECK_FALSE(table.find(std::vector<std::string>{"d"}));
    }
}

TEST_CASE("a bad table is refused with its line", "[io][csv][bad]") {
    const TemporaryFolder folder;
    const auto complaint = [&](const std::string& text) {
        try {
            (void)read_csv_table(folder.file("t.csv", text));
        } catch (const InputError& error) {
            return std::string(error.what());
        }
        return std::string("none");
    };
    CHECK_THAT(complaint("a,b\n1,2\n3\n"),
               contains_text("t.csv:3: 1 cells (the first line names 2 columns)"));
    CHECK_THAT(complaint("a,b\n1,x2\n"), contains_text("t.csv:2: expected a number in column 'b', got 'x2'"));
    CHECK_THAT(complaint("a,b\n1,2 3\n"), contains_text("t.csv:2: expected a number"));
    CHECK_THAT(complaint("a,b\n1,inf\n"), contains_text("t.csv:2: expected a number"));
    CHECK_THAT(complaint("a,b\n1,1e999\n"), contains_text("t.csv:2: expected a number"));
    CHECK_THAT(complaint("a,b\n"), contains_text("no rows"));
    CHECK_THAT(complaint("# a\n"), contains_text("got an empty file"));
    CHECK_THROWS_AS(read_csv_table(folder / "none.csv"), InputError);
}
